// @ts-check
import { takeEngine } from "./spare-engine.js";

/** @import { QuickJSContext, QuickJSHandle } from "quickjs-emscripten-core" */
/** @import { ScriptPorts } from "./fresh-engine.js" */
/** @import { ScriptEnd, ScriptJob } from "./protocol.js" */

/**
 * A script that was started.
 * @typedef {object} RunningScript
 * @property {(call: number, ok: boolean, text: string) => void} answer
 *   gives the answer to one call and runs the script on for as long as it can
 */

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
  const { context, hooks, bind } = await takeEngine(job);
  let ended = false;
  let waiting = 0;
  /** @param {ScriptEnd} end */
  const finish = (end) => {
    if (ended) return;
    ended = true;
    ports.end(end);
  };
  bind(job, {
    call: (call, method, args) => {
      waiting++;
      ports.call(call, method, args);
    },
    end: finish,
  });
  callHook(context, hooks, "input", context.newString(job.input));

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
