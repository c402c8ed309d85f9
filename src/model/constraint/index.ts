import ipaddr from "ipaddr.js";
import { z } from "zod";
import { type Capability, exceptPattern, overlaps, parseCapability } from "../capability/index.js";
import { canonicalJson } from "../canonical.js";
import { copyJson } from "../copy-json.js";
import { InvalidConstraintError, SynapseError } from "../errors.js";
import type { JsonObject, JsonValue } from "../json.js";
import { parseDuration, parseInstant } from "../time.js";
import { compileParams, mentionsArguments } from "./params.js";
import { compileWhen } from "./when.js";

/**
 * What narrows a contract or a binding (SEMANTICS K). The set is closed: an unknown constraint is refused
 * when it is bound, because ignoring it would widen authority. Names are snake_case in memory too: these
 * are documents that people write.
 */
export interface Constraints {
  /** Authorisations in all; every link of a chain is charged. */
  readonly max_uses?: number;
  /** Sliding window: at most `limit` authorisations in any `per` (a duration such as `1m`). */
  readonly rate?: { readonly limit: number; readonly per: string };
  /** RFC 3339. */
  readonly not_before?: string;
  /** Resource patterns that neither the requirement nor what is really reached may touch. */
  readonly except?: readonly string[];
  /** JSON Schema 2020-12 on the parameters. */
  readonly params?: JsonObject | boolean;
  /** CEL over `agent, workflow, step, params, now`; an error is a denial. */
  readonly when?: string;
  /** A person approves exactly this step with exactly these parameters. */
  readonly approval?: { readonly by?: string; readonly within: string };
  /** Duration. */
  readonly max_duration?: string;
  readonly max_output_bytes?: number;
  readonly max_effects?: number;
  /** CIDR blocks; `net` only. */
  readonly allow_private?: readonly string[];
  /** `os:process` only (H6). */
  readonly unconfined?: true;
}

const duration = z.string().superRefine(refusedBy(parseDuration));
const positive = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

const shape = z.strictObject({
  max_uses: z.int().min(0).optional(),
  // The window's timestamps are kept, so the limit bounds memory.
  rate: z
    .strictObject({ limit: positive.max(100_000), per: duration.superRefine(refusedBy(assertLasts)) })
    .optional(),
  not_before: z.string().superRefine(refusedBy(parseInstant)).optional(),
  except: z.array(z.string()).max(64).optional(),
  params: z.union([z.boolean(), z.record(z.string(), z.json())]).optional(),
  when: z.string().max(4_096).optional(),
  approval: z.strictObject({ by: z.string().max(128).optional(), within: duration }).optional(),
  max_duration: duration.optional(),
  max_output_bytes: positive.optional(),
  max_effects: z.int().min(0).optional(),
  allow_private: z
    .array(z.string().superRefine(refusedBy(parseCidr)))
    .max(64)
    .optional(),
  unconfined: z.literal(true).optional(),
});

const schemaBytesMax = 64 * 1024;

/**
 * Constraints as frozen plain data, everything in them compiled once to see that it compiles.
 *
 * @param of the capability they narrow: `except` is read in its grammar, some constraints belong to one domain.
 * @throws InvalidConstraintError naming the constraint.
 */
export function parseConstraints(input: unknown, of: Capability | string): Constraints {
  const capability = typeof of === "string" ? parseCapability(of) : of;
  const data = copy(input);
  const parsed = shape.safeParse(data);
  if (!parsed.success) throw asConstraintError(parsed.error);
  const constraints = data as Constraints;
  checkDomain(constraints, capability);
  for (const pattern of constraints.except ?? []) {
    attempt("except", () => exceptPattern(capability, pattern));
  }
  if (constraints.params !== undefined) {
    if (canonicalJson(constraints.params).length > schemaBytesMax) {
      throw new InvalidConstraintError(
        "params",
        `the schema in \`params\` is larger than ${schemaBytesMax} bytes`,
      );
    }
    const schema = constraints.params;
    attempt("params", () => compileParams(schema));
  }
  if (constraints.when !== undefined) {
    const source = constraints.when;
    attempt("when", () => compileWhen(source));
  }
  return constraints;
}

/** Whether a chain link confines what a spawned program may be asked to do (H6). */
export function confinesProcess(constraints: Constraints): boolean {
  return (
    constraints.unconfined === true ||
    (constraints.params !== undefined && mentionsArguments(constraints.params))
  );
}

/** Whether the requirement stays clear of every `except` pattern (K `except`): disjoint, not merely unequal. */
export function avoidsExceptions(excluded: readonly Capability[], requirement: Capability): boolean {
  return !excluded.some((pattern) => overlaps(pattern, requirement));
}

export function parseCidr(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  return ipaddr.parseCIDR(text);
}

/** A window of no length holds nothing: such a `rate` would look like a limit and limit nothing. */
function assertLasts(text: string): void {
  if (/^[0a-z]*$/.test(text)) throw new RangeError("the window must be longer than nothing");
}

function checkDomain(constraints: Constraints, capability: Capability): void {
  if (constraints.allow_private !== undefined && capability.domain !== "net") {
    throw new InvalidConstraintError("allow_private", "`allow_private` belongs to `net` capabilities only");
  }
  if (constraints.unconfined !== undefined && capability.domain !== "os") {
    throw new InvalidConstraintError("unconfined", "`unconfined` belongs to `os:process` capabilities only");
  }
}

function copy(input: unknown): JsonValue {
  try {
    return copyJson(input, { depth: 32, values: 10_000, characters: schemaBytesMax * 2 });
  } catch (error) {
    if (error instanceof SynapseError)
      throw new InvalidConstraintError("$", `constraints are not plain data: ${error.message}`);
    throw error;
  }
}

function attempt(constraint: string, parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const hint = error instanceof SynapseError ? error.hint : undefined;
    throw new InvalidConstraintError(constraint, `\`${constraint}\` is not valid: ${why}`, hint);
  }
}

function refusedBy(parse: (text: string) => unknown) {
  return (text: string, context: z.RefinementCtx): void => {
    try {
      parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
    }
  };
}

function asConstraintError(error: z.ZodError): InvalidConstraintError {
  const issue = error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const name = issue.keys[0] ?? "?";
    const known = Object.keys(shape.shape).join(", ");
    return new InvalidConstraintError(
      name,
      `unknown constraint \`${name}\``,
      `the constraints are: ${known}`,
    );
  }
  const name = issue?.path.map(String).join(".") || "$";
  return new InvalidConstraintError(name, `\`${name}\` is not valid: ${issue?.message ?? "malformed"}`);
}
