import { type AuditEvent, textMember } from "../event.js";
import { matchesAgents } from "../identifier.js";

interface Link {
  readonly kind: "contract" | "binding";
  readonly agentId: string;
  /** What it rests on; undefined for a contract. */
  readonly above: Link | undefined;
  readonly delegable: boolean;
  /** RFC 3339, comparable as text with other times of the log. */
  readonly expiresAt: string | undefined;
  revoked: boolean;
}

const chainLengthMax = 16;

/** Follows who may act at all: contracts, bindings, revocations, suspensions. */
export class AuthorityGrammar {
  readonly #links = new Map<string, Link>();
  readonly #suspended = new Set<string>();

  /** What is wrong with an event where it stands; applies it when nothing is. */
  fault(event: AuditEvent): string | undefined {
    switch (event.event) {
      case "capability_created":
        return this.#create(event, textMember(event, "contract_id"), undefined);
      case "binding_created":
        return this.#bind(event);
      case "capability_revoked":
        return this.#revoke("contract", textMember(event, "contract_id"));
      case "binding_revoked":
        return this.#revoke("binding", textMember(event, "binding_id"));
      case "agent_suspended":
      case "agent_unsuspended":
        return this.#suspend(textMember(event, "agent_id"), event.event === "agent_suspended");
      default:
        return undefined;
    }
  }

  /** Why an agent may not act on a binding at a time; undefined when it may. */
  refusal(agentId: string, bindingId: string, at: string): string | undefined {
    if (this.#suspended.has(agentId)) return `agent \`${agentId}\` is suspended`;
    const binding = this.#links.get(bindingId);
    if (binding?.kind !== "binding") return `there is no binding \`${bindingId}\``;
    if (binding.agentId !== agentId) return `binding \`${bindingId}\` is of another agent`;
    return deadLink(binding, at);
  }

  knows(id: string): boolean {
    return this.#links.has(id);
  }

  #bind(event: AuditEvent): string | undefined {
    const contractId = event["contract_id"];
    const parentId = event["parent_id"];
    if ((contractId === undefined) === (parentId === undefined))
      return "a binding has a contract or a parent, one of them";
    const kind = contractId === undefined ? "binding" : "contract";
    const aboveId = textMember(event, kind === "contract" ? "contract_id" : "parent_id");
    const above = this.#links.get(aboveId);
    if (above?.kind !== kind) return `there is no ${kind} \`${aboveId}\` to make a binding under`;
    const dead = deadLink(above, event.timestamp);
    if (dead !== undefined) return dead;
    if (kind === "contract" && !matchesAgents(above.agentId, textMember(event, "agent_id"))) {
      return `contract \`${aboveId}\` is not issued to this agent`;
    }
    const chain = chainOf(above);
    if (kind === "binding" && !chain.every((link) => link.delegable))
      return `binding \`${aboveId}\` cannot be delegated`;
    if (chain.length >= chainLengthMax)
      return `the chain of binding \`${aboveId}\` has ${chainLengthMax} links already`;
    return this.#create(event, textMember(event, "binding_id"), above);
  }

  #create(event: AuditEvent, id: string, above: Link | undefined): string | undefined {
    if (this.#links.has(id)) return `\`${id}\` was made before`;
    const supersedes = event["supersedes"];
    if (typeof supersedes === "string" && !this.#links.has(supersedes))
      return `there is no \`${supersedes}\` to supersede`;
    const expiresAt = event["expires_at"];
    this.#links.set(id, {
      kind: above === undefined ? "contract" : "binding",
      agentId: textMember(event, above === undefined ? "issued_to" : "agent_id"),
      above,
      delegable: event["delegable"] === true,
      expiresAt: typeof expiresAt === "string" ? expiresAt : undefined,
      revoked: false,
    });
    return undefined;
  }

  #revoke(kind: Link["kind"], id: string): string | undefined {
    const link = this.#links.get(id);
    if (link?.kind !== kind) return `there is no ${kind} \`${id}\` to revoke`;
    if (link.revoked) return `${kind} \`${id}\` was revoked before`;
    link.revoked = true;
    return undefined;
  }

  #suspend(agentId: string, suspended: boolean): string | undefined {
    if (this.#suspended.has(agentId) === suspended)
      return `agent \`${agentId}\` is ${suspended ? "suspended already" : "not suspended"}`;
    if (suspended) this.#suspended.add(agentId);
    else this.#suspended.delete(agentId);
    return undefined;
  }
}

function chainOf(link: Link): Link[] {
  const chain: Link[] = [];
  for (let each: Link | undefined = link; each !== undefined; each = each.above) chain.push(each);
  return chain;
}

/** Revoking or expiring any link stops all below it (SEMANTICS A3). */
function deadLink(link: Link, at: string): string | undefined {
  for (const each of chainOf(link)) {
    if (each.revoked) return `it rests on a ${each.kind} that was revoked before`;
    if (each.expiresAt !== undefined && at >= each.expiresAt)
      return `it rests on a ${each.kind} that had expired`;
  }
  return undefined;
}
