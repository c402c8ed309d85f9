import { type Capability, covers, exceptPattern, parseCapability, parseScope } from "./capability/index.js";
import type { Constraints } from "./constraint/index.js";
import { type AuditEvent, textMember } from "./event.js";
import { parseDuration, parseInstant } from "./time.js";

/** Sliding window of a `rate` constraint: the times (ms) of the authorisations in it when last charged, in order. */
export interface RateWindow {
  readonly limit: number;
  readonly perMs: number;
  readonly times: number[];
}

/** What a contract and a binding have in common: a link of a chain of authority. */
interface Link {
  readonly id: string;
  readonly capability: Capability;
  readonly scope: Capability | undefined;
  readonly constraints: Constraints;
  readonly createdSeq: number;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
  readonly delegable: boolean;
  readonly excluded: readonly Capability[];
  readonly window: RateWindow | undefined;
  /** The event that made it: the wire document, for listings and policy comparison. */
  readonly event: AuditEvent;
  uses: number;
  revokedSeq: number | undefined;
}

export interface ContractRecord extends Link {
  readonly kind: "contract";
  readonly issuedTo: string;
}

export interface BindingRecord extends Link {
  readonly kind: "binding";
  readonly agentId: string;
  /** This binding first, then its parents, its contract last (A2). */
  readonly chain: readonly LinkRecord[];
  /** Every capability and scope of the chain that is not implied by another one: all must cover (A4). */
  readonly gates: readonly Capability[];
}

export type LinkRecord = ContractRecord | BindingRecord;

export function contractRecord(event: AuditEvent): ContractRecord {
  return {
    kind: "contract",
    ...linkOf(event, textMember(event, "contract_id")),
    issuedTo: textMember(event, "issued_to"),
  };
}

/** @param above the parent binding, or the contract, that this binding puts to work. */
export function bindingRecord(event: AuditEvent, above: LinkRecord): BindingRecord {
  const link = linkOf(event, textMember(event, "binding_id"));
  const chain: LinkRecord[] = [];
  const record: BindingRecord = {
    kind: "binding",
    ...link,
    agentId: textMember(event, "agent_id"),
    chain,
    gates: gatesOf(link, above),
  };
  chain.push(record, ...(above.kind === "binding" ? above.chain : [above]));
  return record;
}

function linkOf(event: AuditEvent, id: string): Link {
  const capability = parseCapability(textMember(event, "capability"));
  const constraints = (event["constraints"] ?? {}) as Constraints;
  const expires = event["expires_at"];
  const scope = event["scope"];
  return {
    id,
    capability,
    scope: typeof scope === "string" ? parseScope(capability, scope) : undefined,
    constraints,
    createdSeq: event.seq,
    createdAt: Date.parse(event.timestamp),
    expiresAt: typeof expires === "string" ? Date.parse(expires) : undefined,
    notBefore: constraints.not_before === undefined ? undefined : parseInstant(constraints.not_before),
    delegable: event["delegable"] === true,
    excluded: (constraints.except ?? []).map((pattern) => exceptPattern(capability, pattern)),
    window:
      constraints.rate === undefined
        ? undefined
        : { limit: constraints.rate.limit, perMs: parseDuration(constraints.rate.per), times: [] },
    event,
    uses: 0,
    revokedSeq: undefined,
  };
}

/** What is implied by a narrower gate needs no check of its own: most chains end up with one gate. */
function gatesOf(link: Link, above: LinkRecord): readonly Capability[] {
  const own = link.scope === undefined ? [link.capability] : [link.scope, link.capability];
  const inherited =
    above.kind === "binding"
      ? above.gates
      : above.scope === undefined
        ? [above.capability]
        : [above.scope, above.capability];
  const gates: Capability[] = [];
  for (const gate of [...own, ...inherited]) {
    if (!gates.some((narrower) => covers(gate, narrower))) gates.push(gate);
  }
  return gates;
}
