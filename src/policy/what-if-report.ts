import type { RecordedRequest } from "../core/recorded-request.js";
import { shapeOf } from "../model/capability/shape.js";
import type { Decision } from "../model/decide.js";
import type { DenialReason } from "../model/denial.js";
import { formatInstant } from "../model/time.js";

/** One request that would be decided otherwise. */
export interface WhatIfExample {
  /** The event that decided it. */
  readonly event: string;
  readonly run_id: string | null;
  readonly step_id: string;
  readonly capability: string;
  readonly decided_at: string;
}

/** Requests that have agent, shape of capability and reasons in common. */
export interface WhatIfGroup {
  readonly change: "newly_denied" | "newly_allowed" | "unavailable";
  readonly agent: string;
  /** A capability, its last part generalised: `fs:read:/srv/notes/*`. */
  readonly shape: string;
  /** Why it would be denied; of what is newly allowed, why it was. Null: it was allowed, and nobody can say. */
  readonly reason: DenialReason | null;
  readonly count: number;
  /** The first ones. */
  readonly examples: readonly WhatIfExample[];
}

/** What would have been decided otherwise. Counts are of requests. */
export interface WhatIfReport {
  readonly policy: string;
  readonly requests: number;
  readonly unchanged: number;
  readonly newly_denied: number;
  readonly newly_allowed: number;
  /** Their parameters are erased, and a constraint would have to see them. */
  readonly unavailable: number;
  /** Questions by a version that did not record what exactly was asked. */
  readonly unrecorded: number;
  /** Largest first. */
  readonly groups: readonly WhatIfGroup[];
  /** Requests in further groups: only the first thousand groups are kept. */
  readonly ungrouped: number;
}

const groupsMax = 1_000;
const examplesMax = 3;

type OpenGroup = Omit<WhatIfGroup, "count" | "examples"> & { count: number; examples: WhatIfExample[] };

/** Adds up what a policy would change, in memory that does not grow with the log. */
export class Tally {
  readonly #counts = { requests: 0, unchanged: 0, newly_denied: 0, newly_allowed: 0, unavailable: 0 };
  readonly #groups = new Map<string, OpenGroup>();
  #unrecorded = 0;
  #ungrouped = 0;

  unrecorded(): void {
    this.#unrecorded++;
  }

  /** @param decision undefined: it could not be decided again. */
  count(request: RecordedRequest, decision: Decision | undefined): void {
    this.#counts.requests++;
    if (decision?.allowed === request.answer.allowed) this.#counts.unchanged++;
    else if (decision === undefined) this.#add("unavailable", request, request.answer);
    else if (decision.allowed) this.#add("newly_allowed", request, request.answer);
    else this.#add("newly_denied", request, decision);
  }

  report(policy: string): WhatIfReport {
    const groups = [...this.#groups.values()].sort((a, b) => b.count - a.count);
    return Object.freeze({
      policy,
      ...this.#counts,
      unrecorded: this.#unrecorded,
      groups: Object.freeze(groups),
      ungrouped: this.#ungrouped,
    });
  }

  #add(change: WhatIfGroup["change"], request: RecordedRequest, why: Why): void {
    this.#counts[change]++;
    const about = why.allowed ? request.requirements[0] : (why.requirement ?? request.requirements[0]);
    const shape = about === undefined ? "?" : shapeOf(about);
    const reason = why.allowed ? null : why.reason;
    const key = JSON.stringify([change, request.agentId, shape, reason]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= groupsMax) {
        this.#ungrouped++;
        return;
      }
      group = { change, agent: request.agentId, shape, reason, count: 0, examples: [] };
      this.#groups.set(key, group);
    }
    group.count++;
    if (group.examples.length < examplesMax) group.examples.push(exampleOf(request, about?.text ?? "?"));
  }
}

type Why =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly reason: DenialReason;
      readonly requirement?: RecordedRequest["requirements"][0] | undefined;
    };

function exampleOf(request: RecordedRequest, capability: string): WhatIfExample {
  return Object.freeze({
    event: request.decision.id,
    run_id: request.runId ?? null,
    step_id: request.stepId,
    capability,
    decided_at: formatInstant(request.decidedAt),
  });
}
