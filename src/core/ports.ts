import type { JsonObject, JsonValue } from "../model/json.js";

/** Milliseconds since the Unix epoch. The only source of time in `core`; tests inject their own. */
export interface Clock {
  now(): number;
}

/** Makes identifiers that never repeat; `kind` becomes the readable prefix (`bind`, `evt`, …). */
export interface IdSource {
  next(kind: string): string;
}

/** Signs checkpoints; a key beside the database or a key management service (DESIGN, The audit log). */
export interface Signer {
  readonly keyName: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** The part of a pino logger that is used. Never given parameters, outputs or secrets. */
export interface Logger {
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** Bytes inside JSON (SEMANTICS G4): standard base64 with padding. */
export interface JsonBytes extends JsonObject {
  readonly $bytes: string;
}

/** A file's content: `text` when the bytes are valid UTF-8 (kept exactly, a BOM included), else `bytes`. */
export type Content = { readonly text: string } | { readonly bytes: JsonBytes };

/** `fs` powers (SEMANTICS H3). Paths are absolute, without `.`, `..` or empty segments, never normalised. */
export interface FsHandle {
  read(path: string): Promise<Content>;
  /** Atomic; makes missing parents that the binding covers; replaces a final symlink, never follows it. */
  write(path: string, content: string | JsonBytes): Promise<{ readonly bytes_written: number }>;
  /** Sorted by name, compared as UTF-8 bytes; names that are not UTF-8 are left out and counted. */
  list(path: string): Promise<{
    readonly entries: readonly {
      readonly name: string;
      readonly type: "file" | "folder" | "symlink" | "other";
    }[];
    readonly unreadable_names: number;
  }>;
  /** A file, a symlink itself, or an empty folder; never recurses. */
  delete(path: string): Promise<{ readonly deleted: true }>;
}

export interface HttpRequest {
  readonly url: string;
  /** Default GET. */
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string | JsonBytes;
}

/** Headers are lower-cased; those that carry times or belong to one connection are left out. */
export type HttpResponse = {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
} & Content;

/** `net` powers (SEMANTICS H4). */
export interface HttpHandle {
  request(request: HttpRequest): Promise<HttpResponse>;
}

export interface ProcessRequest {
  /** A program name, or an absolute path. */
  readonly program: string;
  readonly args?: readonly string[];
  /** Absolute; default the pipeline's working folder. */
  readonly cwd?: string;
}

/** A program that a signal ended has `exit_code` 128 + the signal's number. */
export interface ProcessResult {
  readonly exit_code: number;
  readonly stdout: string | JsonBytes;
  readonly stderr: string | JsonBytes;
}

/** `os` powers (SEMANTICS H6). */
export interface ProcessHandle {
  run(request: ProcessRequest): Promise<ProcessResult>;
}

/** `memory` powers (SEMANTICS H5): a durable key-value space shared by the agents of one store. */
export interface MemoryHandle {
  /** `value` is null when the key was never set. */
  get(key: string): Promise<{ readonly value: JsonValue }>;
  set(key: string, value: JsonValue): Promise<{ readonly stored: true }>;
}

/** One request of the Model Context Protocol, without its envelope. */
export interface McpRequest {
  /** The server's name in the gateway's configuration. */
  readonly server: string;
  /** `tools/call`, …; or what a server asks of its client: `sampling/createMessage`, … */
  readonly method: string;
  readonly params: JsonObject;
  /** Capabilities that these parameters stand for besides the method's own, e.g. `fs:read:/srv/a`. */
  readonly implies?: readonly string[] | undefined;
}

/** What the other side answered. An `error` is an answer like any other: the request was made. */
export type McpAnswer = { readonly result: JsonValue } | { readonly error: JsonValue };

/** `mcp` powers (SEMANTICS H5): requests that a gateway passes on. */
export interface McpHandle {
  request(request: McpRequest): Promise<McpAnswer>;
}

/** Who passes requests on: a gateway, which knows the message that a step is about by the step's trace id. */
export interface McpUpstreams {
  /**
   * Called behind a durable authorisation. Rejects when the signal is aborted.
   * @throws EffectFailedError `upstream_unavailable`, …
   */
  request(traceId: string, request: McpRequest, signal: AbortSignal): Promise<McpAnswer>;
}

/**
 * The powers of one running step. Every method exists and every use is checked against what was
 * authorised for this step, recorded, and refused with `EffectDeniedError` when it falls outside.
 */
export interface Handles {
  readonly fs: FsHandle;
  readonly http: HttpHandle;
  readonly process: ProcessHandle;
  readonly memory: MemoryHandle;
  readonly mcp: McpHandle;
}

/** One use of a handle, as the handle asks for it before it touches anything outside. */
export interface EffectUse {
  /** `fs.read`, `http.request`, … */
  readonly kind: string;
  /** Canonical capability texts made with `capability()`; all of them must have been authorised. */
  readonly capabilities: readonly string[];
  /** What was asked, as plain data, for the journal. Secrets only as `secret://` references. */
  readonly request: JsonValue;
}

/** What an admitted use may do. Valid until the body given to `perform` settles. */
export interface EffectGrant {
  /**
   * Checks where the use really lands (a symlink's target, a redirect's host).
   * @throws EffectDeniedError `outside_authority`: outside the step's ceiling, a link of the chain, or
   *   inside an `except`; or `revoked_while_running` when the authority is gone by now.
   */
  reached(capability: string): void;
  /** Whether every link of the binding covers it: which missing parent folders a write may make (H3). */
  withinBinding(capability: string): boolean;
  /** Whether this agent holds live authority over it by any binding (H6: a program it could rewrite). */
  agentHolds(capability: string): boolean;
  /** CIDR blocks of private addresses that the chain allows (constraint `allow_private`). */
  readonly allowPrivate: readonly string[];
  /** Most bytes that this use may read into memory. */
  readonly bytesMax: number;
}

/**
 * The guard's side of a handle. `perform` checks that the step is alive and the use authorised, queues
 * the intent, runs `body`, queues the outcome, and gives the result out only if the authority is still
 * alive. The body may do nothing outside before `perform` called it.
 */
export interface EffectGate {
  /** Aborted at the deadline, on cancel, and when the authority ends. Bodies must stop when it does. */
  readonly signal: AbortSignal;
  readonly agentId: string;
  /** Of the step's context: how a gateway finds the message that the step is about. */
  readonly traceId: string;
  /**
   * @throws EffectDeniedError when refused (recorded as `effect_denied`).
   * Whatever `body` throws is recorded and thrown on: EffectDeniedError as `effect_denied`, the rest as failed.
   */
  perform<T extends JsonValue | object>(use: EffectUse, body: (grant: EffectGrant) => Promise<T>): Promise<T>;
}

/** Builds the handles of one step. The composition root gives the guard one of these. */
export type HandleFactory = (gate: EffectGate) => Handles;

/** A real file, as the kernel names it. `path` may be of a file that does not exist yet (then no `dev`, `ino`). */
export interface RealFile {
  readonly path: string;
  readonly dev?: bigint;
  readonly ino?: bigint;
}

/** Files of ours that no handle may reach (SEMANTICS H2). */
export interface ProtectedFiles {
  covers(file: RealFile): boolean;
}

/** The durable key-value space behind `MemoryHandle`. */
export interface MemorySpace {
  get(key: string): Promise<JsonValue | undefined>;
  /**
   * Durable when it resolves.
   * @param agentId whose turn at the log it takes: an agent with many keys is still one agent (D9).
   */
  set(key: string, value: JsonValue, agentId: string): Promise<void>;
}

/** Resolves `secret://name` inside a handle (SEMANTICS H7). Undefined: there is no such secret. */
export interface SecretProvider {
  resolve(name: string): Promise<string | undefined>;
}
