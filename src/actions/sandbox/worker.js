// @ts-check
import { parentPort } from "node:worker_threads";
import { startScript } from "./engine.js";
import { prepareEngine } from "./spare-engine.js";

/** @import { FromWorker, ScriptEnd, ScriptJob, ToWorker } from "./protocol.js" */
/** @import { RunningScript } from "./engine.js" */

/**
 * The thread that scripts run on, one at a time. It holds no powers: a script's use of a handle goes to the main
 * thread as a message, and the guard's gate is there. Plain JavaScript, so that this same file is what Node
 * loads from a build and from the sources.
 */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");

// The engine has last words when it aborts. They would fill a pipe that nobody reads, and hold the process open.
for (const stream of [process.stdout, process.stderr]) stream.write = () => true;

/** @type {{ readonly id: number, readonly script: Promise<RunningScript> } | undefined} */
let current;

/** @param {FromWorker} message */
const send = (message) => port.postMessage(message);

/**
 * @param {number} id @param {ScriptEnd} end
 * @param {ScriptJob} job the next one is most often of its kind
 */
const sendEnd = (id, end, job) => {
  send({ kind: "end", id, end });
  // When nothing else is to be done: another script that came already makes its own.
  setImmediate(() => {
    if (current?.id === id) prepareEngine(job);
  });
};

port.on("message", (/** @type {ToWorker} */ message) => {
  const { id } = message;
  if (message.kind === "run") {
    const script = startScript(message.job, {
      call: (call, method, args) => send({ kind: "call", id, call, method, args }),
      end: (end) => sendEnd(id, end, message.job),
    });
    current = { id, script };
    // No engine could be made for it, or not with this input in its memory.
    script.catch((/** @type {unknown} */ error) => {
      const text = error instanceof Error ? error.message : String(error);
      sendEnd(id, { kind: "engine", text }, message.job);
    });
  } else if (message.kind === "answer" && current?.id === id) {
    // Answers are taken in the order in which they came: that order is what a replay repeats.
    void current.script.then((script) => script.answer(message.call, message.ok, message.text));
  }
});
