// @ts-check
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import variant from "@jitl/quickjs-wasmfile-release-sync";
import { newQuickJSWASMModuleFromVariant, newVariant } from "quickjs-emscripten-core";
import { realm } from "./realm.js";
import { wasm } from "./wasm.js";
import { confinedImports } from "./wasm-imports.js";

/** @import { QuickJSContext, QuickJSHandle, QuickJSSyncVariant } from "quickjs-emscripten-core" */
/** @import { WasmImports, WasmModule } from "./wasm.js" */
/** @import { ScriptEnd, ScriptJob } from "./protocol.js" */

/**
 * What a script can make happen outside; called from inside the engine, so neither may throw.
 * @typedef {object} ScriptPorts
 * @property {(call: number, method: string, args: string) => void} call
 * @property {(end: ScriptEnd) => void} end once
 */

/**
 * An engine in which no script has run yet, with its realm.
 * @typedef {object} Engine
 * @property {QuickJSContext} context
 * @property {QuickJSHandle} hooks the realm's own functions, which no script reaches
 * @property {(job: ScriptJob, ports: ScriptPorts) => void} bind whose script it will be: once, before that begins
 */

/**
 * What an engine has to be made for; all else about a script is told to it afterwards.
 * @typedef {Pick<ScriptJob, "memoryBytes" | "methods">} EngineKind
 */

const pageBytes = 65_536;
/** What the engine needs before a script has anything; also its stack. */
const initialPages = 256;
const stackBytes = 256 * 1024;

// The package's declarations describe its CommonJS form, where the default export is all of it.
const syncVariant = /** @type {QuickJSSyncVariant} */ (/** @type {unknown} */ (variant));

/** @type {Promise<WasmModule> | undefined} */
let compiled;
const compile = async () =>
  wasm.compile(
    await readFile(fileURLToPath(import.meta.resolve("@jitl/quickjs-wasmfile-release-sync/wasm"))),
  );

/**
 * @param {EngineKind} kind
 * @returns {Promise<Engine>}
 */
export async function freshEngine({ memoryBytes, methods }) {
  compiled ??= compile();
  const module = await compiled;
  const extraPages = Math.ceil(memoryBytes / pageBytes);
  const memory = new wasm.Memory({ initial: initialPages, maximum: initialPages + extraPages });
  let time = 0;
  const quickjs = await newQuickJSWASMModuleFromVariant(
    newVariant(syncVariant, {
      emscriptenModule: {
        wasmMemory: memory,
        /**
         * @param {WasmImports} imports
         * @param {(instance: object, module: object) => void} onSuccess
         */
        instantiateWasm: (imports, onSuccess) => {
          const instance = new wasm.Instance(
            module,
            confinedImports(imports, memory, () => time++),
          );
          onSuccess(instance, module);
          return instance.exports;
        },
      },
    }),
  );
  const runtime = quickjs.newRuntime();
  runtime.setMemoryLimit(memoryBytes);
  runtime.setMaxStackSize(stackBytes);
  const context = runtime.newContext();
  const { hooks, bind } = install(context, methods);
  return {
    context,
    hooks,
    bind: (job, ports) => {
      // Making a context looks at the clock; the script is the first to see the time.
      time = job.startMs;
      bind(job, ports);
    },
  };
}

/**
 * Puts the realm around the script that is to come.
 *
 * @param {QuickJSContext} context
 * @param {readonly string[]} methods
 * @returns {Pick<Engine, "hooks" | "bind">}
 */
function install(context, methods) {
  /** @type {{ readonly job: ScriptJob, readonly ports: ScriptPorts, readonly draw: () => Buffer } | undefined} */
  let bound;
  const own = () => {
    if (bound === undefined) throw new Error("an engine was used before its script came");
    return bound;
  };
  let calls = 0;
  const post = context.newFunction("post", (callHandle, methodHandle, argsHandle) => {
    const { textMax, callsMax } = own().job;
    const [call, method] = [context.getNumber(callHandle), context.getString(methodHandle)];
    const length = context.getProp(argsHandle, "length").consume((handle) => context.getNumber(handle));
    if (++calls > callsMax)
      return refusal(context, "too_many_calls", `a script may use its handles ${callsMax} times`);
    if (length > textMax)
      return refusal(context, "too_large", `the arguments are larger than ${textMax} characters`);
    own().ports.call(call, method, context.getString(argsHandle));
    return context.newString("");
  });
  const end = context.newFunction("end", (kindHandle, textHandle) => {
    const { job, ports } = own();
    const kind = /** @type {"value" | "thrown" | "output"} */ (context.getString(kindHandle));
    const length = context.getProp(textHandle, "length").consume((handle) => context.getNumber(handle));
    if (length > job.textMax)
      ports.end({ kind: "output", text: `it is larger than ${job.textMax} characters of JSON` });
    else ports.end({ kind, text: context.getString(textHandle) });
    return context.undefined;
  });
  const random = context.newFunction("random", () =>
    context.newNumber(Number(own().draw().readBigUInt64BE() >> 11n) / 2 ** 53),
  );
  const uuid = context.newFunction("uuid", () => context.newString(uuidOf(own().draw())));
  const offered = context.unwrapResult(context.evalCode(JSON.stringify(methods)));
  // No script can have this name: its frames are never taken for a script's.
  const makeRealm = context.unwrapResult(context.evalCode(`(${realm.toString()})`, "<realm>"));
  const hooks = context.unwrapResult(
    context.callFunction(makeRealm, context.undefined, post, end, random, uuid, offered),
  );
  return { hooks, bind: (job, ports) => void (bound = { job, ports, draw: counterMode(job.seed) }) };
}

/**
 * @param {QuickJSContext} context
 * @param {string} code
 * @param {string} message
 */
function refusal(context, code, message) {
  return context.newString(JSON.stringify({ name: "EffectDeniedError", code, message }));
}

/**
 * Pseudo-random blocks: block i = SHA-256(SHA-256("synapse-script-v1" 0x00 seed) ‖ i as 64-bit big-endian), as
 * for the environment of an action (SEMANTICS R1). Never for secrets.
 *
 * @param {string} seed
 */
function counterMode(seed) {
  const key = createHash("sha256").update(`synapse-script-v1\0${seed}`).digest();
  let block = 0n;
  return () => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(block++);
    return createHash("sha256").update(key).update(counter).digest();
  };
}

/** @param {Buffer} block */
function uuidOf(block) {
  const bytes = block.subarray(0, 16);
  bytes[6] = (Number(bytes[6]) & 0x0f) | 0x40;
  bytes[8] = (Number(bytes[8]) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
