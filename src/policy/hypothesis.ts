import { createBinding } from "../core/authority.js";
import { chargesOf } from "../core/records.js";
import { scratchTxOn } from "../core/scratch.js";
import type { Tx } from "../core/transition.js";
import type { BindingRecord, LinkRecord } from "../model/authority.js";
import { canonicalJson } from "../model/canonical.js";
import type { Constraints } from "../model/constraint/index.js";
import { SynapseError } from "../model/errors.js";
import { type AuditEvent, textMember } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import { authorityEvents } from "../model/change.js";
import { State } from "../model/state.js";
import { bindGrant, bringTo, reasonOf } from "./apply.js";
import type { PolicyDocument, PolicyGrant } from "./file.js";
import { withoutDurations } from "./undated.js";

/** Types of events that change who may do what, by hand or by a policy. */
export const decreeEvents: ReadonlySet<string> = new Set([...authorityEvents, "policy_applied"]);

/**
 * The state of authority as it would have been with another policy, followed through a log
 * (docs/policy.md, What would have happened).
 *
 * Where the log applied a policy of the candidate's name, the candidate is applied; before the first time it
 * stands as if it had just been applied. What it does not own stays as recorded: what was bound or delegated
 * below an object of the policy goes below the candidate's object for the same agent and capability, and is
 * left out where that does not allow it. Law: with the policy that the log applied, every later state decides as
 * the recorded one did (tests/policy/what-if-law.test.ts).
 */
export class Hypothesis {
  readonly state = new State();
  readonly #policy: PolicyDocument;
  readonly #alone: boolean;
  /** Objects of the policy's name that stand in the log, by their ids there: what the candidate's stand for. */
  readonly #replaced = new Map<string, AuditEvent>();
  #phase: "unused" | "provisional" | "applied" = "unused";
  /** The candidate's objects as they were last brought about, some of them revoked since. */
  #own: LinkRecord[] = [];
  #refused: PolicyGrant[] = [];
  #isStale = false;
  #ids = 0;

  /** @param options `alone`: nothing but the candidate ever gave authority. */
  constructor(policy: PolicyDocument, options: { readonly alone?: boolean } = {}) {
    this.#policy = policy;
    this.#alone = options.alone === true;
  }

  /** Follows the next event of the log; those that are not `decreeEvents` may be left out. */
  take(event: AuditEvent): void {
    switch (event.event) {
      case "capability_created":
        return this.#contract(event);
      case "binding_created":
        return this.#binding(event);
      case "capability_revoked":
        return this.#revoke(event, textMember(event, "contract_id"));
      case "binding_revoked":
        return this.#revoke(event, textMember(event, "binding_id"));
      case "agent_suspended":
      case "agent_unsuspended":
        return this.#fold(event);
      case "policy_applied":
        if (event["policy"] === this.#policy.name && !this.#alone) this.#apply(Date.parse(event.timestamp));
    }
  }

  /** To be called before something is decided at `at` (ms): until the log applies the policy, it stands as just applied. */
  settle(at: number): void {
    if (this.#phase === "applied" || (this.#phase === "provisional" && !this.#isStale)) return;
    this.#phase = "provisional";
    this.#isStale = false;
    this.#bring(withoutDurations(this.#policy), at);
  }

  /** Charges what an authorisation at `at` (ms) uses up. */
  charge(bindings: readonly BindingRecord[], at: number): void {
    for (const { id, per_ms: perMs } of chargesOf(bindings))
      this.state.apply({ kind: "charge", id, at, perMs });
  }

  /** Charges what was recorded, where it still stands: for a decision that cannot be made again. */
  chargeRecorded(ids: readonly string[], at: number): void {
    for (const id of ids) {
      const link = this.state.link(id) ?? this.#counterpart(id);
      const counts =
        link !== undefined && (link.constraints.max_uses !== undefined || link.window !== undefined);
      if (counts) this.state.apply({ kind: "charge", id: link.id, at, perMs: link.window?.perMs });
    }
  }

  #contract(event: AuditEvent): void {
    if (this.#isReplaced(event, textMember(event, "contract_id")) || this.#alone) return;
    this.#fold(event);
    // A grant that nothing covered may rest on what exists now.
    const tx = this.#tx(Date.parse(event.timestamp));
    const contracts = this.#own.filter((link) => link.kind === "contract");
    const names = new Map(contracts.map((link) => [link.policyKey ?? "", link]));
    this.#refused = this.#refused.filter((grant) => {
      try {
        this.#own.push(bindGrant(tx, this.#policy.name, grant, names, "what-if"));
        return false;
      } catch (error) {
        if (error instanceof SynapseError) return true;
        throw error;
      }
    });
  }

  #binding(event: AuditEvent): void {
    const id = textMember(event, "binding_id");
    if (this.#isReplaced(event, id) || this.#alone) return;
    const aboveId = textMember(event, event["parent_id"] === undefined ? "contract_id" : "parent_id");
    if (this.#replaced.has(aboveId)) this.#rebind(event, id, this.#counterpart(aboveId));
    else if (this.state.link(aboveId) !== undefined) this.#fold(event);
  }

  /** What somebody bound below an object of the policy, below its counterpart. */
  #rebind(event: AuditEvent, id: string, above: LinkRecord | undefined): void {
    if (above === undefined) return;
    const optional = (name: string): string | undefined => event[name] as string | undefined;
    const tx = this.#tx(Date.parse(event.timestamp), () => id);
    try {
      createBinding(
        tx,
        {
          agentId: textMember(event, "agent_id"),
          capability: textMember(event, "capability"),
          scope: optional("scope"),
          createdBy: textMember(event, "created_by"),
          constraints: event["constraints"] as Constraints,
          expiresAt: optional("expires_at"),
          delegable: event["delegable"] === true,
          ...(above.kind === "binding" ? { parentId: above.id } : { contractId: above.id }),
        },
        { ...definedOnly({ policy: optional("policy") }), supersedes: optional("supersedes") },
      );
    } catch (error) {
      // Under the candidate it would have been refused.
      if (!(error instanceof SynapseError)) throw error;
    }
  }

  #revoke(event: AuditEvent, id: string): void {
    if (this.#replaced.has(id)) {
      // By the application of another version of the policy: the candidate's own application follows.
      const isApplied = event["reason"] === reasonOf(this.#policy.name);
      const counterpart = isApplied ? undefined : this.#counterpart(id);
      if (counterpart !== undefined)
        this.state.apply({ kind: "revoke", id: counterpart.id, seq: this.state.seq });
      this.#replaced.delete(id);
      return;
    }
    if (this.state.link(id) === undefined) return;
    this.#fold(event);
    this.#isStale ||= this.#own.some((link) => link.kind === "binding" && link.chain.at(-1)?.id === id);
  }

  #apply(at: number): void {
    if (this.#phase !== "applied") {
      for (const link of this.#own) this.state.apply({ kind: "revoke", id: link.id, seq: this.state.seq });
      this.#phase = "applied";
    }
    this.#bring(this.#policy, at);
  }

  #bring(policy: PolicyDocument, at: number): void {
    this.#refused = [];
    const standing = bringTo(this.#tx(at), policy, "what-if", (grant) => void this.#refused.push(grant));
    this.#own = [...standing.contracts.values(), ...standing.bindings.values()];
  }

  #isReplaced(event: AuditEvent, id: string): boolean {
    if (event["policy"] !== this.#policy.name) return false;
    this.#replaced.set(id, event);
    return true;
  }

  /** The candidate's living object for what an object of the log was for; its equal goes first. */
  #counterpart(id: string): LinkRecord | undefined {
    const event = this.#replaced.get(id);
    if (event === undefined) return undefined;
    const alike = this.#own.filter(
      (link) =>
        link.revokedSeq === undefined &&
        (link.kind === "contract"
          ? event.event === "capability_created" && link.policyKey === event["policy_key"]
          : link.agentId === event["agent_id"] && link.capability.text === event["capability"]),
    );
    const terms = termsOf(event);
    const others = [...this.#replaced].flatMap(([other, made]) =>
      other !== id && made["agent_id"] === event["agent_id"] && made["capability"] === event["capability"]
        ? [termsOf(made)]
        : [],
    );
    // What equals another object of the log stands for that one.
    return (
      alike.find((link) => termsOfLink(link) === terms) ??
      alike.find((link) => !others.includes(termsOfLink(link)))
    );
  }

  #tx(at: number, newId: (kind: string) => string = (kind) => `${kind}_candidate-${++this.#ids}`): Tx {
    return scratchTxOn(this.state, at, newId);
  }

  /** Under a number of its own: order is all that a decision takes from numbers, and here are other events. */
  #fold(event: AuditEvent): void {
    this.state.fold({ ...event, seq: this.state.seq + 1 });
  }
}

function termsOfLink({ scopeText, constraints, delegable }: LinkRecord): string {
  return canonicalJson([scopeText ?? null, constraints, delegable] as JsonValue);
}

function termsOf({ scope, constraints, delegable }: AuditEvent): string {
  return canonicalJson([scope ?? null, constraints ?? null, delegable ?? false] as JsonValue);
}

function definedOnly({ policy }: { policy: string | undefined }): { policy?: string } {
  return policy === undefined ? {} : { policy };
}
