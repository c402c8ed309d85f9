import { type ChildProcess, spawn } from "node:child_process";
import { LineReader, type MessageLimits } from "../protocol/line-reader.js";
import { LineWriter } from "../protocol/line-writer.js";
import { cancellation, type OpenLink } from "./link.js";
import { stderrLog } from "./stderr-log.js";

/** How a server is started: never through a shell. */
export interface StdioServer {
  readonly command: string;
  readonly args: readonly string[];
  /** Absolute. */
  readonly cwd: string;
  /** All of it; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
}

/** How long a server may take to end after its input did, and then after it was asked to, ms. */
const graceMs = 2_000;

/** A server as a child process of its own, with messages on its standard streams (MCP, stdio transport). */
export function stdioLink(server: StdioServer, limits: MessageLimits): OpenLink {
  return (events) => {
    // A group of its own, so that what `npx` and the like start for it ends with it.
    const child = spawn(server.command, [...server.args], {
      cwd: server.cwd,
      env: { ...server.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let ended = false;
    let why: string | undefined;
    const end = (reason: string): void => {
      if (ended) return;
      ended = true;
      stderr.end();
      events.closed(why ?? reason);
    };
    const stop = (reason: string): void => {
      why ??= reason;
      stopGroup(child);
    };
    const reader = new LineReader(limits, (line) => {
      if (line.kind === "value") events.message(line.value);
      else events.log(`a line on its standard output is not a message: ${line.why}`);
    });
    child.stdout.on("data", (chunk: Buffer) => {
      if (!ended && !reader.push(chunk)) {
        child.stdout.destroy();
        stop(`it sent a message of more than ${limits.bytesMax} bytes`);
        killGroup(child, "SIGKILL");
      }
    });
    const stderr = stderrLog((line) => events.log(line));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    let drained: () => void = () => undefined;
    const writer = new LineWriter(child.stdin, {
      onDrain: () => drained(),
      // Its end is told by its exit; a server that closes its input and lives on is ended.
      onGone: () => stop("it closed its standard input"),
    });
    child.on("error", (error) => end(`it could not be started: ${error.message}`));
    child.on("close", (code, signal) =>
      end(signal === null ? `it ended with exit code ${code ?? "unknown"}` : `it was ended by ${signal}`),
    );
    return {
      send: (message) => writer.write(message),
      cancel: (id) => void writer.write(cancellation(id)),
      agreed: () => undefined,
      pause: () => void child.stdout.pause(),
      resume: () => void child.stdout.resume(),
      onDrain: (listener) => void (drained = listener),
      close: () => stop("the gateway ended it"),
    };
  };
}

/** Input first, which is how a server is asked to end; then the group is told, and then it is made to. */
function stopGroup(child: ChildProcess): void {
  child.stdin?.end();
  // Paused output would keep the pipe, and with it the child's `close`, waiting for ever.
  child.stdout?.resume();
  const ask = setTimeout(() => killGroup(child, "SIGTERM"), graceMs / 4);
  const force = setTimeout(() => killGroup(child, "SIGKILL"), graceMs);
  child.once("exit", () => {
    clearTimeout(ask);
    clearTimeout(force);
    // What it started and left behind.
    killGroup(child, "SIGKILL");
  });
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Gone already is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
