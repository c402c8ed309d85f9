import { type AuditEvent, textMember } from "../event.js";
import type { JsonObject } from "../json.js";
import { EffectNumbers } from "./effect-numbers.js";
import { EndedRequests, type Whose } from "./ended-requests.js";
import { isGuarded } from "./event-shape.js";
import type { AuthorityGrammar } from "./grammar-authority.js";

interface Request {
  readonly kind: "step" | "check";
  readonly whose: Whose;
  phase: "requested" | "authorized" | "ended";
  bindingIds: readonly string[];
  readonly effects: EffectNumbers;
}

/**
 * Follows what was asked for: requests, decisions, effects, ends, and the runs they belong to. Keeps whole what is
 * open, and a number of each request that has ended.
 */
export class RequestGrammar {
  readonly #authority: AuthorityGrammar;
  /** Those that have not ended, and those that ended while a use of a handle had no answer. */
  readonly #requests = new Map<string, Request>();
  readonly #ended = new EndedRequests();
  readonly #runs = new Set<string>();

  constructor(authority: AuthorityGrammar) {
    this.#authority = authority;
  }

  /** What is wrong with an event where it stands; applies it when nothing is. */
  fault(event: AuditEvent): string | undefined {
    switch (event.event) {
      case "step_execution_requested":
        return this.#open(event, event.id, "step");
      case "step_execution_authorized":
        return this.#authorize(event, "step");
      case "step_execution_denied":
        return this.#deny(event);
      case "capability_checked":
        return isGuarded(event)
          ? this.#openGuarded(event)
          : this.#restsOn(event, [textMember(event, "binding_id")]);
      case "capability_denied":
        return isGuarded(event)
          ? (this.#taken(textMember(event, "request_id")) ?? sequenceFault(event))
          : undefined;
      case "step_execution_completed":
        return this.#complete(event, "step");
      case "capability_executed":
        return this.#complete(event, "check");
      case "step_outcome_unknown":
        return this.#giveUp(event);
      case "effect_attempted":
      case "effect_performed":
      case "effect_denied":
        return this.#effect(event);
      case "run_started":
      case "run_completed":
      case "run_cancelled":
      case "step_retry_accepted":
        return this.#run(event, textMember(event, "run_id"));
      default:
        return undefined;
    }
  }

  #open(event: AuditEvent, id: string, kind: Request["kind"]): string | undefined {
    const taken = this.#taken(id);
    if (taken !== undefined) return taken;
    this.#requests.set(id, {
      kind,
      whose: whose(event),
      phase: "requested",
      bindingIds: [],
      effects: new EffectNumbers(),
    });
    return undefined;
  }

  #openGuarded(event: AuditEvent): string | undefined {
    const id = textMember(event, "request_id");
    const fault = this.#open(event, id, "check") ?? this.#authorize(event, "check");
    if (fault !== undefined && this.#requests.get(id)?.phase === "requested") this.#requests.delete(id);
    return fault;
  }

  #authorize(event: AuditEvent, kind: Request["kind"]): string | undefined {
    const request = this.#find(event, kind);
    if (typeof request === "string") return request;
    if (request.phase !== "requested") return "its request was decided before";
    const bindingIds = event["binding_ids"] as readonly string[];
    if (bindingIds[0] !== event["binding_id"])
      return "its `binding_id` is not the first of its `binding_ids`";
    const charged = (event["charged"] as readonly JsonObject[]).map((charge) => textMember(charge, "id"));
    const stranger = charged.find((id) => !this.#authority.knows(id));
    if (stranger !== undefined) return `it charges \`${stranger}\`, which does not exist`;
    const fault = sequenceFault(event) ?? this.#restsOn(event, bindingIds);
    if (fault !== undefined) return fault;
    request.phase = "authorized";
    request.bindingIds = bindingIds;
    return undefined;
  }

  #deny(event: AuditEvent): string | undefined {
    const request = this.#find(event, "step");
    if (typeof request === "string") return request;
    if (request.phase !== "requested") return "its request was decided before";
    const fault = sequenceFault(event);
    if (fault !== undefined) return fault;
    const id = textMember(event, "request_id");
    this.#requests.delete(id);
    this.#ended.addDenied(id);
    return undefined;
  }

  #complete(event: AuditEvent, kind: Request["kind"]): string | undefined {
    const request = this.#find(event, kind);
    if (typeof request === "string") return request;
    if (request.phase !== "authorized") return endFault(request.phase);
    if (request.bindingIds[0] !== event["binding_id"])
      return "it names another binding than its authorisation";
    if (event["result"] === "success") {
      // A revocation that came first fences the result: success after it was never recorded (D7).
      const fault = this.#restsOn(event, request.bindingIds);
      if (fault !== undefined) return `it succeeded, but ${fault}`;
    }
    this.#end(textMember(event, "request_id"), request);
    return undefined;
  }

  #giveUp(event: AuditEvent): string | undefined {
    const id = textMember(event, "request_id");
    const request = this.#requests.get(id);
    if (request === undefined)
      return this.#ended.has(id) ? "its request has ended" : "its request is not in the log";
    if (request.phase !== "authorized") return endFault(request.phase);
    this.#end(id, request);
    return undefined;
  }

  #end(id: string, request: Request): void {
    request.phase = "ended";
    const { settled } = request.effects;
    if (settled !== undefined && this.#ended.add(id, request.whose, settled)) {
      this.#requests.delete(id);
    } else {
      this.#ended.remove(id);
      this.#requests.set(id, request);
    }
  }

  #effect(event: AuditEvent): string | undefined {
    const request = this.#find(event, undefined);
    if (typeof request === "string") return request;
    if (request.phase === "requested") return "its request was not authorised";
    const n = event["n"] as number;
    const before = request.effects.at(n);
    if (before === "answered") return `use ${n} of a handle was answered before`;
    if (event.event === "effect_attempted") {
      if (request.phase === "ended") return "its request has ended";
      if (before === "attempted") return `use ${n} of a handle was attempted before`;
      request.effects.attempt(n);
      return undefined;
    }
    // A refusal needs no attempt, and may follow the end: the late result of an action, or a late use.
    if (event.event === "effect_performed" && before === undefined)
      return `use ${n} of a handle was never attempted`;
    request.effects.answer(n);
    if (request.phase === "ended") this.#end(textMember(event, "request_id"), request);
    return undefined;
  }

  #run(event: AuditEvent, id: string): string | undefined {
    if (event.event !== "run_started")
      return this.#runs.has(id) ? undefined : `run \`${id}\` was never started`;
    if (event["resumes"] === true)
      return this.#runs.has(id) ? undefined : `run \`${id}\` is resumed and was never started`;
    if (this.#runs.has(id)) return `run \`${id}\` was started before`;
    this.#runs.add(id);
    return undefined;
  }

  #restsOn(event: AuditEvent, bindingIds: readonly string[]): string | undefined {
    const agentId = textMember(event, "agent_id");
    for (const id of bindingIds) {
      const refusal = this.#authority.refusal(agentId, id, event.timestamp);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  #taken(id: string): string | undefined {
    const taken = this.#requests.has(id) || this.#ended.has(id);
    return taken ? `request \`${id}\` was made before` : undefined;
  }

  /** @param kind undefined for effects, which alone may follow the end of their request. */
  #find(event: AuditEvent, kind: Request["kind"] | undefined): Request | string {
    const id = textMember(event, "request_id");
    const request = this.#requests.get(id);
    if (request === undefined && kind === undefined) return this.#findEnded(id, whose(event));
    if (request === undefined && this.#ended.has(id)) return "its request has ended";
    if (request === undefined || (kind !== undefined && request.kind !== kind))
      return "its request is not in the log";
    return isOf(event, request.whose) ? request : foreign;
  }

  #findEnded(id: string, whose: Whose): Request | string {
    const ended = this.#ended.find(id, whose);
    if (ended === undefined) return "its request is not in the log";
    if (ended === "foreign") return foreign;
    if (ended.denied) return "its request was not authorised";
    const effects = new EffectNumbers(ended.answered);
    return { kind: "step", whose, phase: "ended", bindingIds: [], effects };
  }
}

const foreign = "it names another agent, step or run than its request";

/** The decision is made in the transaction that writes it, so it rests on the event before it (docs/adr/0001). */
function sequenceFault(event: AuditEvent): string | undefined {
  return event["state_seq"] === event.seq - 1 ? undefined : "it does not rest on the event before it";
}

function endFault(phase: "requested" | "ended"): string {
  return phase === "ended" ? "its request has ended" : "its request was not authorised";
}

function whose(event: AuditEvent): Whose {
  return [event["agent_id"], event["workflow_id"], event["step_id"], event["run_id"], event["attempt"]];
}

function isOf(event: AuditEvent, [agent, workflow, step, run, attempt]: Whose): boolean {
  return (
    event["agent_id"] === agent &&
    event["workflow_id"] === workflow &&
    event["step_id"] === step &&
    event["run_id"] === run &&
    event["attempt"] === attempt
  );
}
