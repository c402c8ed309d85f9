import { resolve } from "node:path";
import type { McpUpstreams } from "../core/ports.js";
import { createPipeline, type Pipeline } from "../pipeline.js";
import type { CliIo } from "./io.js";
import type { Output } from "./output.js";
import { type Palette, paletteFor } from "./palette.js";
import { jsonLine, printable } from "./printable.js";

/** The options that every command has. */
export interface CommonOptions {
  readonly db?: string | undefined;
  readonly anchor?: string | undefined;
  readonly json?: boolean | undefined;
}

/** What a command gets to work with. */
export interface CommandContext {
  readonly out: Output;
  readonly err: Output;
  readonly palette: Palette;
  readonly json: boolean;
  readonly io: CliIo;
  readonly env: CliIo["env"];
  readonly cwd: string;
  /** As it was named, to be shown. */
  readonly databaseName: string;
  /** As it was named: a file or a URL. */
  readonly anchor: string | undefined;
  /** Absolute, or `:memory:`. */
  readonly database: string;
  /** What has to be added to a suggested command so that it means the same database: empty or ` --db '…'`. */
  readonly databaseOption: string;
  readonly signal: AbortSignal;
  /** One JSON document on standard output. */
  document(value: unknown): void;
  /** A remark for people, on standard error. */
  note(text: string): void;
}

const defaultDatabase = ".synapse/synapse.db";

export function commandContext(io: CliIo, out: Output, err: Output, options: CommonOptions): CommandContext {
  const fromEnvironment = io.env["SYNAPSE_DB"];
  const inherited =
    fromEnvironment === undefined || fromEnvironment === "" ? defaultDatabase : fromEnvironment;
  const databaseName = options.db ?? inherited;
  return Object.freeze({
    out,
    err,
    palette: paletteFor(io.stdout, io.env),
    json: options.json === true,
    io,
    env: io.env,
    cwd: io.cwd,
    databaseName,
    anchor: options.anchor,
    database: databaseName === ":memory:" ? databaseName : resolve(io.cwd, databaseName),
    databaseOption: options.db === undefined ? "" : ` --db ${shellWord(options.db)}`,
    signal: io.signal ?? new AbortController().signal,
    document: (value: unknown) => out.line(jsonLine(value)),
    note: (text: string) => err.line(`note: ${printable(text)}`),
  });
}

/**
 * Opens the pipeline for as long as `body` runs.
 *
 * @param options `create`: make a missing database, as commands that write do; without it, `missing_store`.
 */
export async function withPipeline<T>(
  context: CommandContext,
  options: {
    readonly create: boolean;
    readonly database?: string;
    readonly protectedFiles?: readonly string[];
    readonly mcp?: McpUpstreams;
  },
  body: (pipeline: Pipeline) => Promise<T>,
): Promise<T> {
  const pipeline = await createPipeline({
    database: options.database ?? context.database,
    create: options.create,
    workingFolder: context.cwd,
    protectedFiles: options.protectedFiles ?? [],
    ...(options.mcp === undefined ? {} : { mcp: options.mcp }),
    // Another database than the command's own, such as a plan's in memory, has nothing to do with its anchor.
    ...(context.anchor === undefined || options.database !== undefined ? {} : { anchor: context.anchor }),
  });
  try {
    return await body(pipeline);
  } finally {
    await pipeline.close();
  }
}

/** Text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
