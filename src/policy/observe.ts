import { eventsOfTypes } from "../core/log-reader.js";
import { type RecordedRequest, recordedRequest, requestEvents } from "../core/recorded-request.js";
import type { BindingRecord } from "../model/authority.js";
import { type Capability, covers, parseCapability } from "../model/capability/index.js";
import { changesOf } from "../model/change.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { State } from "../model/state.js";
import type { RecordedLog } from "./what-if.js";
import { type ChainTerms, termsKey, termsOfChain } from "./terms.js";

/** Which of what was done. */
export interface ObservedPart {
  readonly agentId?: string | undefined;
  readonly runId?: string | undefined;
}

/** What one agent did under equal terms. */
export interface Observed {
  readonly agent: string;
  readonly terms: ChainTerms;
  /** By the text of the requirement. */
  readonly uses: Map<string, ObservedUse>;
  /** What each binding that granted any of it allowed at most (SEMANTICS A4). */
  readonly gates: Map<string, readonly Capability[]>;
}

export interface ObservedUse {
  readonly requirement: Capability;
  count: number;
  /** What was touched, where it was asked for as a pattern: the first few. */
  readonly touched: Set<string>;
}

const stepEnds: ReadonlySet<string> = new Set([
  "step_execution_completed",
  "capability_executed",
  "step_outcome_unknown",
]);
const types: ReadonlySet<string> = new Set([
  ...requestEvents,
  "capability_created",
  "binding_created",
  "effect_performed",
  ...stepEnds,
]);
const touchedMax = 5;

/** What was authorised and begun, with the terms of the chains that allowed it. Checks do nothing and are no part of it. */
export async function observe(image: RecordedLog, part: ObservedPart): Promise<readonly Observed[]> {
  const state = new State();
  const observed = new Map<string, Observed>();
  /** Requests for patterns, while their effects may still come. */
  const patterns = new Map<string, ObservedUse[]>();
  let before: AuditEvent | undefined;
  for await (const page of eventsOfTypes(image, types)) {
    for (const event of page) {
      if (event.event.endsWith("_created")) for (const change of changesOf(event)) state.apply(change);
      else if (event.event === "effect_performed") noteEffect(patterns, event);
      else if (stepEnds.has(event.event)) patterns.delete(textMember(event, "request_id"));
      else {
        const request = recordedRequest(event, before);
        if (request !== undefined && isPart(request, part)) noteRequest(observed, patterns, state, request);
      }
      before = event;
    }
  }
  return [...observed.values()];
}

export function isPart(request: RecordedRequest, { agentId, runId }: ObservedPart): boolean {
  return (
    request.kind !== "check" &&
    (agentId === undefined || request.agentId === agentId) &&
    (runId === undefined || request.runId === runId)
  );
}

function noteRequest(
  observed: Map<string, Observed>,
  patterns: Map<string, ObservedUse[]>,
  state: State,
  { answer, requirements, agentId: agent, decision }: RecordedRequest,
): void {
  if (!answer.allowed) return;
  const open: ObservedUse[] = [];
  requirements.forEach((requirement, index) => {
    const binding = state.binding(answer.bindingIds[index] ?? "");
    if (binding === undefined) return;
    const use = useOf(groupOf(observed, agent, binding), requirement);
    use.count++;
    if (requirement.wildcards > 0) open.push(use);
  });
  if (open.length > 0) patterns.set(textMember(decision, "request_id"), open);
}

function groupOf(observed: Map<string, Observed>, agent: string, binding: BindingRecord): Observed {
  const terms = termsOfChain(binding.chain);
  // What is counted together stays together; two counters that say the same are two all the same.
  const counted = binding.chain.filter(
    (link) => link.window !== undefined || link.constraints.max_uses !== undefined,
  );
  const key = [agent, ...counted.map((link) => link.id), termsKey(terms)].join(" ");
  let group = observed.get(key);
  if (group === undefined) {
    group = { agent, terms, uses: new Map(), gates: new Map() };
    observed.set(key, group);
  }
  group.gates.set(binding.id, binding.gates);
  return group;
}

function useOf({ uses }: Observed, requirement: Capability): ObservedUse {
  let use = uses.get(requirement.text);
  if (use === undefined) {
    use = { requirement, count: 0, touched: new Set() };
    uses.set(requirement.text, use);
  }
  return use;
}

function noteEffect(patterns: Map<string, ObservedUse[]>, event: AuditEvent): void {
  const uses = patterns.get(textMember(event, "request_id"));
  if (uses === undefined || !Array.isArray(event["capabilities"])) return;
  for (const text of event["capabilities"] as readonly string[]) {
    const use = uses.find(({ requirement }) => covers(requirement, parseCapability(text)));
    if (use !== undefined && use.touched.size < touchedMax) use.touched.add(text);
  }
}
