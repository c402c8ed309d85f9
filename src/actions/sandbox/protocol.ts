/** What a sandbox is given to run: text and numbers only. */
export interface ScriptJob {
  /** How its source is called in stack traces. */
  readonly file: string;
  /** The body of an async function. */
  readonly code: string;
  /** JSON text. */
  readonly input: string;
  /** What `Math.random` and `crypto.randomUUID` are drawn from. */
  readonly seed: string;
  /** ms since the epoch that the first look at the clock gives. */
  readonly startMs: number;
  /** What it finds in `handles`: `fs.read` and the like. */
  readonly methods: readonly string[];
  readonly memoryBytes: number;
  /** UTF-16 units of one text that leaves the sandbox. */
  readonly textMax: number;
  readonly callsMax: number;
}

/** How a script ended, as the sandbox tells it. All of it is text that the script may have chosen. */
export type ScriptEnd =
  /** `text` is JSON. */
  | { readonly kind: "value"; readonly text: string }
  /** It threw. `text` is JSON: name, message, stack, code. */
  | { readonly kind: "thrown"; readonly text: string }
  /** It is no JavaScript; `text` as for `thrown`. */
  | { readonly kind: "syntax"; readonly text: string }
  /** What it returned is not plain data. `text` says why. */
  | { readonly kind: "output"; readonly text: string }
  /** It waits for what cannot come. */
  | { readonly kind: "stalled" }
  /** The engine itself failed: out of memory where that cannot be an exception any more, or a trap. */
  | { readonly kind: "engine"; readonly text: string };

/** From the main thread to a worker. */
export type ToWorker =
  | { readonly kind: "run"; readonly id: number; readonly job: ScriptJob }
  /** The answer to one call of a handle: JSON text of its result, or of its error (name, code, message). */
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly call: number;
      readonly ok: boolean;
      readonly text: string;
    };

/** From a worker to the main thread. */
export type FromWorker =
  /** A script uses a handle: `method` as in `fs.read`, `args` JSON text of an array. */
  | {
      readonly kind: "call";
      readonly id: number;
      readonly call: number;
      readonly method: string;
      readonly args: string;
    }
  | { readonly kind: "end"; readonly id: number; readonly end: ScriptEnd };
