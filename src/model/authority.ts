import { type Capability, covers, exceptPattern, parseCapability, parseScope } from "./capability/index.js";
import type { Constraints } from "./constraint/index.js";
import { ownJson } from "./copy-json.js";
import { type AuditEvent, timeOf } from "./event.js";
import { type Provenance, provenanceOf } from "./provenance.js";
import { asText, type JsonValue } from "./json.js";
import { instantMs, parseDuration, parseInstant } from "./time.js";

/** Sliding window of a `rate` constraint: the times (ms) of the authorisations in it when last charged, in order. */
export interface RateWindow {
  readonly limit: number;
  readonly perMs: number;
  readonly times: number[];
}

/** What narrows a link beyond its capability and its end. */
interface Terms {
  /** Undefined: its own capability implies all that stands above it. */
  readonly gates: readonly Capability[] | undefined;
  readonly scope: Capability | undefined;
  readonly scopeText: string | undefined;
  readonly constraints: Constraints;
  readonly notBefore: number | undefined;
  readonly excluded: readonly Capability[];
  readonly window: RateWindow | undefined;
}

/** What most links have: they share it. */
const noTerms: Terms = Object.freeze({
  gates: undefined,
  scope: undefined,
  scopeText: undefined,
  constraints: Object.freeze({}),
  notBefore: undefined,
  excluded: Object.freeze([]),
  window: undefined,
});

/** A `Date` goes to 8.64e15 ms: a thousand of these millions, so that both parts fit small integers of every build of V8. */
const part = 2 ** 30;
const never = 0x3fffffff;
const unknown = -0x3fffffff;

/**
 * What a contract and a binding have in common: a link of a chain of authority. A million of them have to fit into
 * memory, so that what few have stands apart (`Terms`) and what many have in common is shared.
 */
abstract class Link {
  // What every decision reads comes first, so that it lies together in memory.
  readonly capability: Capability;
  /** The parent binding, or the contract, that a binding puts to work; a contract has nothing above it. */
  readonly above: LinkRecord | undefined;
  readonly terms: Terms;
  /** The agent that may use it; of a contract whom it was issued to, `*` for all patterns of agents. */
  readonly holder: string;
  // The end in two small integers: a number of its own would lie somewhere else.
  readonly #endHigh: number;
  readonly #endLow: number;
  revokedSeq: number | undefined = undefined;
  readonly id: string;
  readonly createdSeq: number;
  readonly createdAt: number;
  readonly delegable: boolean;
  /** What its policy knows it by. */
  readonly policyKey: string | undefined;
  readonly provenance: Provenance;
  uses = 0;

  constructor(
    event: AuditEvent,
    id: string,
    holder: string,
    by: JsonValue | undefined,
    above: LinkRecord | undefined,
  ) {
    const expires = event["expires_at"];
    const end = typeof expires === "string" ? instantMs(expires) : undefined;
    const key = event["policy_key"];
    this.capability = parseCapability(asText(event["capability"], "capability"));
    this.above = above;
    this.terms = termsOf(event, this.capability, above);
    this.holder = holder;
    this.#endHigh = end === undefined ? never : Number.isNaN(end) ? unknown : Math.floor(end / part);
    this.#endLow = end === undefined || Number.isNaN(end) ? 0 : end - this.#endHigh * part;
    this.id = id;
    this.createdSeq = event.seq;
    this.createdAt = timeOf(event);
    this.delegable = event["delegable"] === true;
    this.policyKey = typeof key === "string" ? key : undefined;
    this.provenance = provenanceOf(event, by);
  }

  /** ms since the epoch; NaN when what was written is no time. */
  get expiresAt(): number | undefined {
    if (this.#endHigh === never) return undefined;
    return this.#endHigh === unknown ? Number.NaN : this.#endHigh * part + this.#endLow;
  }

  /** Whether it has ended. An end that is no time has passed always, and at a time that is none all have. */
  isPast(now: number): boolean {
    const high = this.#endHigh;
    return high !== never && (high === unknown || !(now < high * part + this.#endLow));
  }

  get scope(): Capability | undefined {
    return this.terms.scope;
  }

  /** As it was given: `scope` has it in canonical form, with all that it leaves out. */
  get scopeText(): string | undefined {
    return this.terms.scopeText;
  }

  get constraints(): Constraints {
    return this.terms.constraints;
  }

  get isConstrained(): boolean {
    return this.terms.constraints !== noTerms.constraints;
  }

  get notBefore(): number | undefined {
    return this.terms.notBefore;
  }

  get excluded(): readonly Capability[] {
    return this.terms.excluded;
  }

  get window(): RateWindow | undefined {
    return this.terms.window;
  }

  /** The policy that owns it (SEMANTICS E5). */
  get policy(): string | undefined {
    return this.provenance.policy;
  }
}

export class ContractRecord extends Link {
  declare readonly above: undefined;
  readonly issuedTo: string;

  constructor(event: AuditEvent) {
    const issuedTo = asText(event["issued_to"], "issued_to");
    const holder = issuedTo.includes("*") ? "*" : issuedTo;
    super(event, asText(event["contract_id"], "contract_id"), holder, event["issued_by"], undefined);
    this.issuedTo = issuedTo;
  }

  get kind(): "contract" {
    return "contract";
  }
}

export class BindingRecord extends Link {
  declare readonly above: LinkRecord;

  /** @param agentId the event's own, in the one copy that all of the agent's bindings share. */
  constructor(event: AuditEvent, agentId: string, above: LinkRecord) {
    super(event, asText(event["binding_id"], "binding_id"), agentId, event["created_by"], above);
  }

  get agentId(): string {
    return this.holder;
  }

  get kind(): "binding" {
    return "binding";
  }

  /** This binding first, then its parents, its contract last (A2). */
  get chain(): readonly LinkRecord[] {
    const chain: LinkRecord[] = [this];
    for (let link: LinkRecord | undefined = this.above; link !== undefined; link = link.above)
      chain.push(link);
    return chain;
  }

  /** Every capability and scope of the chain that is not implied by another one: all must cover (A4). */
  get gates(): readonly Capability[] {
    return this.terms.gates ?? [this.capability];
  }

  /** Whether every gate covers a requirement that the capability is known to cover. */
  isOpenFor(requirement: Capability): boolean {
    const gates = this.terms.gates;
    if (gates === undefined) return true;
    for (let index = 0; index < gates.length; index++) {
      if (!covers(gates[index] as Capability, requirement)) return false;
    }
    return true;
  }
}

export type LinkRecord = ContractRecord | BindingRecord;

function termsOf(event: AuditEvent, capability: Capability, above: LinkRecord | undefined): Terms {
  const scopeText = event["scope"];
  const given = event["constraints"];
  const hasConstraints = typeof given === "object" && given !== null && hasMembers(given);
  const scope = typeof scopeText === "string" ? parseScope(capability, scopeText) : undefined;
  const gates = above === undefined ? undefined : gatesOf(capability, scope, above);
  if (!hasConstraints && scope === undefined && gates === undefined) return noTerms;
  // The event's own: what stands in the log is nobody's to change. What `params` compiles to is remembered by it.
  const constraints = hasConstraints ? (ownJson(given) as Constraints) : noTerms.constraints;
  const { not_before: notBefore, except, rate } = constraints;
  return {
    gates,
    scope,
    scopeText: typeof scopeText === "string" ? scopeText : undefined,
    constraints,
    notBefore: notBefore === undefined ? undefined : parseInstant(notBefore),
    excluded: except === undefined ? noTerms.excluded : except.map((each) => exceptPattern(capability, each)),
    window: rate === undefined ? undefined : { limit: rate.limit, perMs: parseDuration(rate.per), times: [] },
  };
}

/** Without a list of them: nearly always there are none. */
function hasMembers(value: object): boolean {
  for (const key in value) if (Object.hasOwn(value, key)) return true;
  return false;
}

/** What is implied by a narrower gate needs no check of its own: most chains end up with one gate. */
function gatesOf(
  capability: Capability,
  scope: Capability | undefined,
  above: LinkRecord,
): readonly Capability[] | undefined {
  const { terms } = above;
  if (scope === undefined && terms.scope === undefined && terms.gates === undefined) {
    if (covers(above.capability, capability)) return undefined;
  }
  const gates: Capability[] = [];
  const add = (gate: Capability): void => {
    if (!gates.some((narrower) => covers(gate, narrower))) gates.push(gate);
  };
  if (scope !== undefined) add(scope);
  add(capability);
  if (above.kind === "binding") above.gates.forEach(add);
  else {
    if (above.scope !== undefined) add(above.scope);
    add(above.capability);
  }
  return gates.length === 1 && gates[0] === capability ? undefined : gates;
}
