import type { Readable, Writable } from "node:stream";

/** Where output goes: a file, a pipe, a terminal (`isTTY`). */
export type OutputStream = Writable & { readonly isTTY?: boolean | undefined };

/** What the command line knows of the process it runs in. Nothing in it is global, so tests run it many times. */
export interface CliIo {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  /** For what talks to another program over its standard streams; looked at by that alone. */
  readonly stdin?: Readable | undefined;
  readonly env: { readonly [name: string]: string | undefined };
  /** Absolute. Relative paths count from here, and it is the pipeline's working folder. */
  readonly cwd: string;
  /** Aborted when a person or a supervisor wants this to end: Ctrl-C, SIGTERM. */
  readonly signal?: AbortSignal | undefined;
}
