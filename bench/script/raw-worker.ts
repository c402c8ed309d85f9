/**
 * The engine without anything of ours around it: one module for all scripts, and for each a runtime and a context, one
 * function of the host that answers later, and a result as JSON.
 */
import { parentPort } from "node:worker_threads";
import variant from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  type QuickJSContext,
  type QuickJSDeferredPromise,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from "quickjs-emscripten-core";

export type ToRaw =
  | { readonly kind: "run"; readonly code: string; readonly freshInstance: boolean }
  | { readonly kind: "answer"; readonly text: string };
export type FromRaw = { readonly kind: "call" } | { readonly kind: "end"; readonly text: string };

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const send = (message: FromRaw): void => port.postMessage(message);
const engine = (): Promise<QuickJSWASMModule> =>
  newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);

const shared = engine();
let running: { readonly context: QuickJSContext; readonly call: QuickJSDeferredPromise } | undefined;

async function start(code: string, freshInstance: boolean): Promise<void> {
  const quickjs = freshInstance ? await engine() : await shared;
  const runtime = quickjs.newRuntime();
  const context = runtime.newContext();
  const call = context.newPromise();
  context
    .newFunction("call", () => {
      send({ kind: "call" });
      return call.handle;
    })
    .consume((handle) => context.setProp(context.global, "call", handle));
  context
    .newFunction("end", (text) => send({ kind: "end", text: context.getString(text) }))
    .consume((handle) => context.setProp(context.global, "end", handle));
  running = { context, call };
  context.unwrapResult(context.evalCode(code)).dispose();
  runtime.executePendingJobs();
}

function answer(text: string): void {
  if (running === undefined) return;
  const { context, call } = running;
  context.newString(text).consume((value) => call.resolve(value));
  context.runtime.executePendingJobs();
  call.dispose();
  const { runtime } = context;
  context.dispose();
  runtime.dispose();
  running = undefined;
}

port.on("message", (message: ToRaw) => {
  if (message.kind === "run") void start(message.code, message.freshInstance);
  else answer(message.text);
});
