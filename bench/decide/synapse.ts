import { type Capability, parseRequirement } from "../../src/model/capability/index.js";
import { decide, type Decision, type DecisionRequest } from "../../src/model/decide.js";
import type { AuditEvent } from "../../src/model/event.js";
import type { JsonObject } from "../../src/model/json.js";
import { State } from "../../src/model/state.js";
import { formatInstant } from "../../src/model/time.js";
import type { Decider } from "./contender.js";
import { type Grant, type Limit, nowMs } from "./grants.js";
import type { Question } from "./questions.js";

const madeAt = formatInstant(nowMs - 60_000);

/** The product's own state and decision, from the text of a capability to the binding that grants it. */
export class Synapse implements Decider {
  readonly what = "synapse: parse and decide";
  readonly exact = true;
  readonly state = new State();

  constructor() {
    for (const event of contractEvents()) this.state.fold(event);
  }

  add(grant: Grant): void {
    for (const event of eventsOf(grant, this.state.seq)) this.state.fold(asRead(event));
  }

  asker(questions: readonly Question[]): (index: number) => boolean {
    return (index) => this.decide(questions[index] as Question).allowed;
  }

  decide(question: Question): Decision {
    return decide(requestOf(question, parseRequirement(question.capability)), this.state, nowMs);
  }
}

export function requestOf({ agent, params }: Question, requirement: Capability): DecisionRequest {
  const requirements = [requirement];
  return {
    agentId: agent,
    workflowId: "bench",
    stepId: "bench",
    requirements,
    ceiling: requirements,
    params,
  };
}

/** The answer as a word: the binding, or the reason. */
export function answerOf(decision: Decision): string {
  return decision.allowed ? decision.bindingId : decision.reason;
}

/** Three contracts that every binding stands under. */
export function contractEvents(): AuditEvent[] {
  return ["fs:*", "net:http", "mcp:call"].map((capability, index) =>
    event(index + 1, {
      event: "capability_created",
      contract_id: `ctr-${capability.slice(0, capability.indexOf(":"))}`,
      capability,
      constraints: {},
      delegable: false,
      issued_to: "*",
      issued_by: "bench",
    }),
  );
}

/** What the log says when such a binding is made and, where it has been used, charged. */
export function eventsOf({ id, agent, capability, expiresAt, limit }: Grant, seq: number): AuditEvent[] {
  const made = event(seq + 1, {
    event: "binding_created",
    binding_id: id,
    agent_id: agent,
    capability,
    constraints: constraintsOf(limit),
    expires_at: formatInstant(expiresAt),
    delegable: false,
    created_by: "bench",
    contract_id: `ctr-${capability.slice(0, capability.indexOf(":"))}`,
  });
  return [made, ...usesOf(limit).flatMap((at, n) => useAt(seq + 2 + 2 * n, id, at))];
}

function usesOf(limit: Limit | undefined): readonly number[] {
  if (limit?.kind === "max_uses") return Array.from({ length: limit.uses }, () => nowMs - 60_000);
  return limit?.kind === "rate" ? limit.times : [];
}

/** A step that was authorised by it and completed. */
function useAt(seq: number, id: string, at: number): AuditEvent[] {
  const request_id = `req-${seq}`;
  const charged = [{ id, per_ms: 60_000 }];
  return [
    event(
      seq,
      { event: "step_execution_authorized", request_id, binding_ids: [id], charged },
      formatInstant(at),
    ),
    event(seq + 1, { event: "step_execution_completed", request_id }, formatInstant(at)),
  ];
}

/** As a store gives it: texts of its own, none of them put together from parts. */
export function asRead(event: AuditEvent): AuditEvent {
  return JSON.parse(JSON.stringify(event)) as AuditEvent;
}

function event(seq: number, body: JsonObject & { readonly event: string }, timestamp = madeAt): AuditEvent {
  return { ...body, id: `evt-${seq}`, seq, timestamp, protocol_version: "1.0" };
}

function constraintsOf(limit: Limit | undefined): JsonObject {
  switch (limit?.kind) {
    case undefined:
      return {};
    case "not_before":
      return { not_before: formatInstant(limit.at) };
    case "max_uses":
      return { max_uses: limit.max };
    case "rate":
      return { rate: { limit: limit.limit, per: "60s" } };
    case "except":
      return { except: [limit.pattern] };
    case "params":
      return {
        params: {
          type: "object",
          required: ["n"],
          properties: { n: { type: "integer", maximum: limit.max } },
        },
      };
    case "when":
      return { when: `params.n <= ${limit.max}` };
  }
}
