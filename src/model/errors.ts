import type { JsonObject } from "./json.js";

/**
 * Errors of this package: a closed set of codes, one class per kind of failure, facts as fields.
 *
 * A caller's programming mistake is a plain `TypeError`; hostile or failed input is one of these.
 * The message is one lower-case sentence with the input in backticks; what to do about it is in
 * `hint`, apart from the message, so that a terminal, a log and a program can each show it their way.
 */
export class SynapseError extends Error {
  /** Stable, machine-readable, snake_case. */
  readonly code: string;
  /** What a person can do about it, when there is something. */
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** Text that is not a capability (SEMANTICS C4). `position` is a 0-based UTF-16 index into `input`. */
export class CapabilitySyntaxError extends SynapseError {
  readonly input: string;
  readonly position: number;
  readonly found: string;
  readonly expected: string;

  constructor(facts: { input: string; position: number; found: string; expected: string; hint?: string }) {
    const shown = facts.input.length > 200 ? `${facts.input.slice(0, 200)}…` : facts.input;
    super(
      "invalid_capability",
      `invalid capability \`${shown}\` at ${facts.position}: found ${facts.found}, expected ${facts.expected}`,
      { hint: facts.hint },
    );
    this.input = facts.input;
    this.position = facts.position;
    this.found = facts.found;
    this.expected = facts.expected;
  }
}

/** A step context that cannot be made (specification, SecureExecutionContext invariants). */
export class InvalidContextError extends SynapseError {
  constructor(
    readonly field: string,
    message: string,
    hint?: string,
  ) {
    super("invalid_context", message, { hint });
  }
}

/** A value from outside that is not plain JSON data: getters, odd prototypes, cycles, NaN, too deep, too large. */
export class InvalidDataError extends SynapseError {
  constructor(
    readonly path: string,
    message: string,
    hint?: string,
  ) {
    super("invalid_data", message, { hint });
  }
}

/** Constraints that are unknown or malformed (SEMANTICS K: refused at bind time). */
export class InvalidConstraintError extends SynapseError {
  constructor(
    readonly constraint: string,
    message: string,
    hint?: string,
  ) {
    super("invalid_constraint", message, { hint });
  }
}

/** Nothing that exists covers what was to be bound, or delegation is not allowed (SEMANTICS A2). */
export class NoAuthorityError extends SynapseError {
  constructor(message: string, hint?: string) {
    super("no_authority", message, { hint });
  }
}

/** The identifier names nothing in this store. */
export class NotFoundError extends SynapseError {
  constructor(
    readonly kind: string,
    readonly id: string,
    hint?: string,
  ) {
    super("not_found", `no ${kind} with id \`${id}\``, { hint });
  }
}

/** The log could not be written durably, so nothing that depended on it happened (SEMANTICS: fail closed). */
export class AuditUnavailableError extends SynapseError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super("audit_unavailable", message, options);
  }
}

/** The store cannot be opened or is not one of ours. */
export class StoreError extends SynapseError {}

/** A run that cannot be resumed, or not before a person decides. */
export class ResumeError extends SynapseError {
  constructor(
    code:
      | "run_is_running"
      | "run_has_ended"
      | "outcome_unknown"
      | "not_undecided"
      | "record_erased"
      | "not_a_workflow"
      | "other_folder",
    readonly runId: string,
    message: string,
    hint?: string,
  ) {
    super(code, message, { hint });
  }
}

/** A use of a handle that was refused: outside the authorised capability, or the authority is gone. */
export class EffectDeniedError extends SynapseError {}

/** A use of a handle that was allowed and failed (missing file, timeout, size limit, …). */
export class EffectFailedError extends SynapseError {}

/** Why a script gave no output. */
export type ScriptErrorCode =
  | "script_source"
  | "script_syntax"
  | "script_failed"
  | "script_output"
  | "script_stalled"
  | "script_deadline"
  | "script_out_of_memory"
  | "script_crashed";

/** A script that was run and gave no output. `line` and `column` are 1-based, in the script's own text. */
export class ScriptError extends SynapseError {
  declare readonly code: ScriptErrorCode;

  constructor(
    code: ScriptErrorCode,
    readonly script: string,
    message: string,
    readonly position?: { readonly line: number; readonly column: number },
  ) {
    const at = position === undefined ? "" : `:${position.line}:${position.column}`;
    super(code, `${script}${at}: ${message}`);
  }
}

/** A CEL expression that cannot be compiled or evaluated. `offset` is a 0-based UTF-16 index into `expression`. */
export class ExpressionError extends SynapseError {
  constructor(
    code: "invalid_expression" | "expression_failed",
    readonly expression: string,
    readonly offset: number,
    message: string,
    hint?: string,
  ) {
    super(code, message, { hint });
  }
}

/** A file a person wrote (workflow, policy, a client's configuration) is wrong; `line` and `column` are 1-based. */
export class DocumentError extends SynapseError {
  constructor(
    code:
      | "invalid_workflow"
      | "invalid_policy"
      | "invalid_cases"
      | "invalid_client_config"
      | "invalid_gateway_config",
    readonly file: string,
    readonly line: number,
    readonly column: number,
    message: string,
    hint?: string,
  ) {
    super(code, `${file}:${line}:${column}: ${message}`, { hint });
  }
}

/** What can be wrong with evidence about a log. */
export type EvidenceCode =
  | "malformed_key"
  | "malformed_note"
  | "malformed_checkpoint"
  | "malformed_proof"
  | "malformed_tile"
  | "malformed_entry"
  | "malformed_bundle"
  | "ambiguous_key"
  | "unknown_key"
  | "invalid_signature"
  | "wrong_origin"
  | "checkpoint_behind"
  | "index_out_of_range"
  | "proof_too_short"
  | "proof_too_long"
  | "root_mismatch"
  | "tile_mismatch"
  | "entry_mismatch"
  | "missing_file"
  | "wrong_order";

/** Evidence about a log that is malformed or does not hold: a key, note, checkpoint, proof, tile or entry. */
export class EvidenceError extends SynapseError {
  declare readonly code: EvidenceCode;
  /** Number of the first wrong event, from 1, when one event is to blame. */
  readonly seq: number | undefined;
  /** The file of an export that is to blame, when one is. */
  readonly path: string | undefined;

  constructor(
    code: EvidenceCode,
    message: string,
    facts: { seq?: number; path?: string; hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, message, facts);
    this.seq = facts.seq;
    this.path = facts.path;
  }
}

/** Why a bearer token is not accepted. */
export type TokenCode =
  | "token_missing"
  | "token_malformed"
  | "token_unknown_issuer"
  | "token_unknown_key"
  | "token_bad_signature"
  | "token_wrong_audience"
  | "token_expired"
  | "token_not_yet_valid"
  | "token_without_agent"
  | "token_keys_unavailable"
  /** Its agent is suspended (SEMANTICS A7). */
  | "agent_suspended";

/**
 * A bearer token that does not say who asks. For the operator: whoever sent it is told `invalid_token`
 * (RFC 6750) and no more. No message holds the token or a part of it.
 */
export class TokenError extends SynapseError {
  declare readonly code: TokenCode;

  constructor(
    code: TokenCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

/** Why an HTTP request never became a message of a session. */
export type HttpRefusalCode =
  | "host_not_allowed"
  | "origin_not_allowed"
  | "no_such_path"
  | "method_not_allowed"
  | "not_acceptable"
  | "not_json"
  | "message_too_large"
  | "message_unreadable"
  | "message_malformed"
  | "unsupported_version"
  | "session_missing"
  | "session_unknown"
  | "already_initialized"
  | "duplicate_id"
  | "header_mismatch"
  | "envelope_invalid"
  | "too_many_sessions"
  | "too_many_requests"
  | "closing";

/** A request that the gateway's HTTP door refused, with the status that says so. */
export class HttpRefusal extends SynapseError {
  declare readonly code: HttpRefusalCode;

  constructor(
    readonly status: number,
    code: HttpRefusalCode,
    message: string,
    /** Of the answer, beside what every answer has. */
    readonly headers: Readonly<Record<string, string>> = {},
    /** Of the answer's JSON-RPC error; `data` beside the reason. */
    readonly rpc: { readonly code?: number; readonly id?: string | number; readonly data?: JsonObject } = {},
  ) {
    super(code, message);
  }
}
