import { copyJson } from "../model/copy-json.js";
import { InvalidContextError, InvalidDataError } from "../model/errors.js";
import { protocolVersion } from "../model/event.js";
import { isIdentifier } from "../model/identifier.js";
import { isJsonObject, type JsonObject } from "../model/json.js";
import { formatInstant, parseInstant } from "../model/time.js";
import { type Action, isGenuineAction } from "./action.js";

/** What a `SecureExecutionContext` is made from (specification, SecureExecutionContext). */
export interface ContextFields {
  readonly workflowId: string;
  readonly stepId: string;
  readonly agentId: string;
  readonly requiredCapability: string;
  /** Resource pattern within the required capability; default: its own resource (SEMANTICS A4). */
  readonly capabilityScope?: string | undefined;
  /** Links the step to a ticket, a case, a conversation. */
  readonly auditReference: string;
  readonly traceId: string;
  /** RFC 3339; the start of the action's logical time. Default the Unix epoch (SEMANTICS R1). */
  readonly createdAt?: string | undefined;
  readonly action: Action;
  readonly actionParams?: JsonObject | undefined;
  /** Safe integer or text of at most 256 characters; default 0. */
  readonly executionSeed?: number | string | undefined;
}

/** What the log says of a step, whether or not a context could be made of what was handed in. */
export type StepIdentity = Pick<
  SecureExecutionContext,
  | "workflowId"
  | "stepId"
  | "agentId"
  | "requiredCapability"
  | "capabilityScope"
  | "auditReference"
  | "traceId"
  | "createdAt"
  | "executionSeed"
>;

// Captured at import: with a patched `freeze` a context could change between its decision and its action.
const { freeze, getOwnPropertyDescriptor } = Object;

let isContext: (value: unknown) => value is SecureExecutionContext;

/**
 * Everything one step needs, read once from hostile input into frozen plain data: constraints, digests, the
 * action and the journal all see this value and no other (DESIGN, The way of one step, 1).
 */
export class SecureExecutionContext {
  readonly workflowId: string;
  readonly stepId: string;
  readonly agentId: string;
  readonly requiredCapability: string;
  readonly capabilityScope: string | undefined;
  readonly auditReference: string;
  readonly traceId: string;
  readonly createdAt: string;
  readonly protocolVersion = protocolVersion;
  readonly action: Action;
  readonly actionParams: JsonObject;
  readonly executionSeed: number | string;
  readonly #genuine = true;

  /** @throws InvalidContextError naming the field that is missing or malformed. */
  constructor(fields: ContextFields) {
    if (typeof fields !== "object" || fields === null)
      throw new InvalidContextError("$", "a context is made from an object");
    const {
      workflowId,
      stepId,
      agentId,
      requiredCapability,
      capabilityScope,
      auditReference,
      traceId,
      createdAt,
      action,
      actionParams,
      executionSeed,
    } = fields;
    this.requiredCapability = text("requiredCapability", requiredCapability, 2_048);
    this.traceId = text("traceId", traceId, 256);
    this.workflowId = identifier("workflowId", workflowId);
    this.stepId = identifier("stepId", stepId);
    this.agentId = identifier("agentId", agentId);
    this.capabilityScope =
      capabilityScope === undefined ? undefined : text("capabilityScope", capabilityScope, 2_048);
    this.auditReference = text("auditReference", auditReference, 1_024);
    this.createdAt = instant(createdAt);
    if (!isGenuineAction(action)) {
      throw new InvalidContextError(
        "action",
        "`action` is not an action",
        "make it with defineAction, or take one of builtinActions",
      );
    }
    this.action = action;
    this.actionParams = plain(actionParams);
    this.executionSeed = seed(executionSeed);
    freeze(this);
  }

  static {
    isContext = (value): value is SecureExecutionContext =>
      typeof value === "object" && value !== null && #genuine in value && value.#genuine;
  }
}

/** Whether the constructor made it: a look-alike, a proxy or `Object.create(context)` is not one. */
export const isGenuineContext = (value: unknown): value is SecureExecutionContext => isContext(value);

/**
 * What can be said of something that is no context, for its record (SEMANTICS D4): own text members that are
 * well formed, read without calling anything of it.
 */
export function identityOfMalformed(value: unknown): StepIdentity {
  const read = (key: string, fits: (text: string) => boolean): string | undefined => {
    try {
      const descriptor =
        typeof value === "object" && value !== null ? getOwnPropertyDescriptor(value, key) : undefined;
      const member: unknown = descriptor?.value;
      return typeof member === "string" && member.isWellFormed() && fits(member) ? member : undefined;
    } catch {
      // A proxy that throws tells nothing about itself; the record says so.
      return undefined;
    }
  };
  const short = (text: string) => text.length <= 256;
  return {
    workflowId: read("workflowId", isIdentifier) ?? "invalid",
    stepId: read("stepId", isIdentifier) ?? "invalid",
    agentId: read("agentId", isIdentifier) ?? "invalid",
    requiredCapability: read("requiredCapability", (text) => text.length <= 1_024) ?? "",
    capabilityScope: undefined,
    auditReference: read("auditReference", short) ?? "invalid",
    traceId: read("traceId", short) ?? "invalid",
    createdAt: epoch,
    executionSeed: 0,
  };
}

function text(field: string, value: unknown, most: number): string {
  if (value === undefined || value === null || value === "") {
    throw new InvalidContextError(field, `a context needs \`${field}\``);
  }
  if (typeof value !== "string" || value.length > most || !value.isWellFormed()) {
    throw new InvalidContextError(
      field,
      `\`${field}\` must be well-formed text of at most ${most} characters`,
    );
  }
  return value;
}

function identifier(field: string, value: unknown): string {
  const id = text(field, value, 128);
  if (!isIdentifier(id)) {
    throw new InvalidContextError(
      field,
      `\`${field}\` is not an identifier`,
      "identifiers begin with a letter or digit and hold letters, digits and `._@:-`, at most 128",
    );
  }
  return id;
}

/** When a context was made that does not say: the same each time (SEMANTICS R1). */
const epoch = formatInstant(0);

function instant(value: unknown): string {
  if (value === undefined) return epoch;
  const given = text("createdAt", value, 64);
  try {
    return formatInstant(parseInstant(given));
  } catch (error) {
    throw new InvalidContextError(
      "createdAt",
      `\`createdAt\` is not an RFC 3339 time: ${(error as Error).message}`,
    );
  }
}

function plain(value: unknown): JsonObject {
  try {
    const copied = copyJson(value ?? {});
    if (isJsonObject(copied)) return copied;
  } catch (error) {
    // A proxy may throw whatever it likes while it is read.
    const why = error instanceof InvalidDataError ? error.message : "it cannot be read";
    throw new InvalidContextError("actionParams", `\`actionParams\` is not plain data: ${why}`);
  }
  throw new InvalidContextError("actionParams", "`actionParams` must be an object");
}

function seed(value: unknown): number | string {
  if (value === undefined) return 0;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  if (typeof value === "string" && value.length <= 256 && value.isWellFormed()) return value;
  throw new InvalidContextError("executionSeed", "`executionSeed` must be a safe integer or short text");
}
