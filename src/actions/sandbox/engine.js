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
 * A script that was started.
 * @typedef {object} RunningScript
 * @property {(call: number, ok: boolean, text: string) => void} answer
 *   gives the answer to one call and runs the script on for as long as it can
 */

/**
 * What a script can make happen outside; called from inside the engine, so neither may throw.
 * @typedef {object} ScriptPorts
 * @property {(call: number, method: string, args: string) => void} call
 * @property {(end: ScriptEnd) => void} end once
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
 * Runs one script in an engine of its own: a fresh instance of the module with fresh memory, so that not even a
 * script that breaks the engine meets another one. Its memory cannot grow beyond what it is given, whatever the
 * engine thinks of it. Time is not bounded here: the thread has to be ended from outside.
 *
 * @param {ScriptJob} job
 * @param {ScriptPorts} ports
 * @returns {Promise<RunningScript>}
 */
export async function startScript(job, ports) {
  compiled ??= compile();
  const context = await freshContext(await compiled, job);
  let ended = false;
  let waiting = 0;
  /** @param {ScriptEnd} end */
  const finish = (end) => {
    if (ended) return;
    ended = true;
    ports.end(end);
  };
  const hooks = install(context, job, {
    call: (call, method, args) => {
      waiting++;
      ports.call(call, method, args);
    },
    end: finish,
  });

  /** Runs what can run. Deterministic: the script goes on until nothing is left to do but wait. */
  const drain = () => {
    // One job at a time: what a script left to be done after its end is not done.
    while (!ended && context.runtime.hasPendingJob()) {
      const { error } = context.runtime.executePendingJobs(1);
      if (error !== undefined) finish({ kind: "thrown", text: describe(context, hooks, error) });
    }
    if (!ended && waiting === 0) finish({ kind: "stalled" });
  };
  guarded(finish, () => {
    // The body begins on the second line and keeps its columns, so that positions need one subtraction.
    const evaluated = context.evalCode(`(async function () {\n${job.code}\n})`, job.file);
    if (evaluated.error) return finish({ kind: "syntax", text: describe(context, hooks, evaluated.error) });
    callHook(context, hooks, "start", evaluated.value);
    drain();
  });
  return {
    answer: (call, ok, text) => {
      if (ended) return;
      waiting--;
      guarded(finish, () => {
        const value = context.newString(text);
        // A string that the engine has no memory for is no string.
        if (context.typeof(value) !== "string") return finish(outOfMemory);
        callHook(context, hooks, "answer", context.newNumber(call), ok ? context.true : context.false, value);
        drain();
      });
    },
  };
}

/** @type {ScriptEnd} */
const outOfMemory = Object.freeze({ kind: "engine", text: "out of memory" });

/**
 * @param {WasmModule} module
 * @param {ScriptJob} job
 * @returns {Promise<QuickJSContext>}
 */
async function freshContext(module, { memoryBytes, startMs }) {
  const extraPages = Math.ceil(memoryBytes / pageBytes);
  const memory = new wasm.Memory({ initial: initialPages, maximum: initialPages + extraPages });
  let time = startMs;
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
  // Making a context looks at the clock; the script is the first to see the time.
  time = startMs;
  return context;
}

/**
 * Puts the realm around the script that is to come.
 *
 * @param {QuickJSContext} context
 * @param {ScriptJob} job
 * @param {ScriptPorts} ports
 * @returns {QuickJSHandle} the realm's own functions, which no script reaches
 */
function install(context, { input, seed, methods, textMax, callsMax }, ports) {
  const draw = counterMode(seed);
  let calls = 0;
  const post = context.newFunction("post", (callHandle, methodHandle, argsHandle) => {
    const [call, method] = [context.getNumber(callHandle), context.getString(methodHandle)];
    const length = context.getProp(argsHandle, "length").consume((handle) => context.getNumber(handle));
    if (++calls > callsMax)
      return refusal(context, "too_many_calls", `a script may use its handles ${callsMax} times`);
    if (length > textMax)
      return refusal(context, "too_large", `the arguments are larger than ${textMax} characters`);
    ports.call(call, method, context.getString(argsHandle));
    return context.newString("");
  });
  const end = context.newFunction("end", (kindHandle, textHandle) => {
    const kind = /** @type {"value" | "thrown" | "output"} */ (context.getString(kindHandle));
    const length = context.getProp(textHandle, "length").consume((handle) => context.getNumber(handle));
    if (length > textMax)
      ports.end({ kind: "output", text: `it is larger than ${textMax} characters of JSON` });
    else ports.end({ kind, text: context.getString(textHandle) });
    return context.undefined;
  });
  const random = context.newFunction("random", () =>
    context.newNumber(Number(draw().readBigUInt64BE() >> 11n) / 2 ** 53),
  );
  const uuid = context.newFunction("uuid", () => context.newString(uuidOf(draw())));
  const offered = context.unwrapResult(context.evalCode(JSON.stringify(methods)));
  // No script can have this name: its frames are never taken for a script's.
  const makeRealm = context.unwrapResult(context.evalCode(`(${realm.toString()})`, "<realm>"));
  const hooks = context.unwrapResult(
    context.callFunction(makeRealm, context.undefined, post, end, random, uuid, offered),
  );
  callHook(context, hooks, "input", context.newString(input));
  return hooks;
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
 * @param {QuickJSContext} context
 * @param {QuickJSHandle} hooks
 * @param {string} name
 * @param {QuickJSHandle[]} args
 */
function callHook(context, hooks, name, ...args) {
  return context.unwrapResult(context.callFunction(context.getProp(hooks, name), context.undefined, ...args));
}

/**
 * @param {QuickJSContext} context
 * @param {QuickJSHandle} hooks
 * @param {QuickJSHandle} error
 */
function describe(context, hooks, error) {
  return context.getString(callHook(context, hooks, "describe", error));
}

/**
 * What goes wrong in the engine itself (a trap, no memory for the realm's own work) ends the script.
 *
 * @param {(end: ScriptEnd) => void} finish
 * @param {() => void} work
 */
function guarded(finish, work) {
  try {
    work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    finish(/memory/i.test(message) ? outOfMemory : { kind: "engine", text: message });
  }
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
