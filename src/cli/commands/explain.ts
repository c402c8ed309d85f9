import type { LogImage } from "../../core/log-image.js";
import { decideAgain, demandOf, type RecordedRequest } from "../../core/recorded-request.js";
import { findRequest, paramsOf } from "../../core/request-lookup.js";
import { eventsUntil, stateAt } from "../../core/state-at.js";
import { looksAtParams } from "../../model/looks-at-params.js";
import { parseRequirement } from "../../model/capability/index.js";
import { decide, type Decision, type DecisionRequest } from "../../model/decide.js";
import { SynapseError } from "../../model/errors.js";
import { explain } from "../../model/explain.js";
import { textMember } from "../../model/event.js";
import type { JsonObject } from "../../model/json.js";
import { formatInstant } from "../../model/time.js";
import { type ExplainedRequirement, explainRequest } from "../../policy/explain-request.js";
import { remedyFor } from "../../policy/remedy.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { operatorName } from "../operator-name.js";
import { status } from "../palette.js";
import { printable } from "../printable.js";
import { remedyLines } from "../remedy-lines.js";
import { alignedLines } from "../table.js";
import { withImage } from "../with-image.js";

interface ExplainOptions extends CommonOptions {
  readonly agent?: string;
  readonly capability?: string;
  readonly params?: JsonObject;
  readonly at?: number;
}

/** What is told. */
interface Explanation {
  readonly agent: string;
  readonly allowed: boolean;
  readonly reason: string | null;
  readonly explanation: string;
  /** As of when. */
  readonly at: string;
  /** The event that decided it; null for a question. */
  readonly event: string | null;
  readonly requirements: readonly ExplainedRequirement[];
  readonly allowed_now: boolean;
  /** Shell lines that would allow it now; null when nothing would. */
  readonly commands: readonly string[] | null;
}

/** `synapse explain`: reads only. */
export const execute: Execute<ExplainOptions> = async (context, [event], options) => {
  assertOneQuestion(event, options);
  return withImage(context, async (image) => {
    const asked =
      event === undefined ? await question(image, options) : await recorded(image, findRequest(image, event));
    const explanation = tell(context, image, asked);
    if (context.json) context.document(explanation);
    else print(context, explanation);
    return exitCode.done;
  });
};

function assertOneQuestion(
  event: string | undefined,
  { agent, capability, params, at }: ExplainOptions,
): void {
  const asks = agent !== undefined && capability !== undefined;
  const more = agent ?? capability ?? params ?? at;
  if (event === undefined ? asks : more === undefined) return;
  throw new SynapseError("usage", "either the id of an event, or --agent and --capability", {
    hint: "synapse explain --help shows how it is used",
  });
}

interface Asked {
  readonly request: DecisionRequest;
  readonly decision: Decision;
  readonly requirements: readonly ExplainedRequirement[];
  readonly at: number;
  readonly event: string | null;
  /** What was said when nothing was understood of the request. */
  readonly recorded?: string | undefined;
}

async function question(image: LogImage, options: ExplainOptions): Promise<Asked> {
  const { agent = "", capability = "", params = {} } = options;
  const requirement = parseRequirement(capability);
  const request = {
    agentId: agent,
    workflowId: "check",
    stepId: "check",
    requirements: [requirement],
    ceiling: [requirement],
    params,
  };
  const at = options.at ?? Date.now();
  const seq = eventsUntil(image, at);
  const state = seq === image.eventCount() ? image.state() : await stateAt(image, seq);
  const decision = decide(request, state, at);
  return { request, decision, requirements: explainRequest(request, state, at), at, event: null };
}

/** As it was decided: by the state that it rested on, at its time. */
async function recorded(image: LogImage, found: RecordedRequest): Promise<Asked> {
  const state = await stateAt(image, found.stateSeq);
  const isSeen = looksAtParams(found.agentId, found.requirements, state);
  const request = demandOf(found, paramsOf(image, found, { needed: isSeen }));
  const decision = decideAgain(found, request.params, state);
  return {
    request,
    decision,
    requirements: explainRequest(request, state, found.decidedAt),
    at: found.decidedAt,
    event: found.decision.id,
    recorded: found.requirements.length === 0 ? textMember(found.decision, "explanation") : undefined,
  };
}

function tell(context: CommandContext, image: LogImage, asked: Asked): Explanation {
  const { request, decision, requirements, at, event } = asked;
  const now = Math.max(Date.now(), asked.event === null ? at : 0);
  const steps = remedyFor(request, () => image.state(), now);
  const by = operatorName(context.env);
  return {
    agent: request.agentId,
    allowed: decision.allowed,
    reason: decision.allowed ? null : decision.reason,
    explanation: asked.recorded ?? explain(decision, request),
    at: formatInstant(at),
    event,
    requirements,
    allowed_now: steps?.length === 0,
    commands: steps === undefined ? null : remedyLines(steps, by, context.databaseOption),
  };
}

function print(context: CommandContext, explanation: Explanation): void {
  const { out, palette } = context;
  const { agent, requirements, commands } = explanation;
  if (requirements.length === 0)
    out.line(printable(`${explanation.reason ?? ""}: ${explanation.explanation}`));
  for (const each of requirements) {
    const verdict = status(each.allowed ? "allowed" : "denied", palette);
    out.lines(alignedLines([[verdict, agent, each.capability, `as of ${explanation.at}`]]));
    out.line(printable(`  ${each.reason === null ? "" : `${each.reason}: `}${each.explanation}`));
    if (each.chain.length > 0) out.line(each.allowed ? "  by" : "  nearest");
    out.lines(alignedLines(each.chain.map((link) => ["   ", link.kind, link.id, link.agent, textOf(link)])));
    if (each.lacks !== null) out.line(printable(`  it lacks: ${each.lacks}`));
  }
  if (explanation.allowed) return;
  if (commands === null) out.line("no grant would allow it: the request itself has to change");
  else if (commands.length === 0) out.line("it would be allowed now");
  else {
    out.line("what would allow it now:");
    for (const line of commands) out.line(`  ${printable(line)}`);
    if (commands.some((line) => line !== printable(line)))
      context.note(
        "the capability holds characters that are not shown as they are: take the line from --json",
      );
    if (commands.some((line) => line.includes('"unconfined":true')))
      context.note(
        "unconfined lets the program do all that you can: describe its `args` in `params` instead",
      );
  }
}

function textOf({
  capability,
  scope,
  constraints,
  revoked,
  policy,
}: ExplainedRequirement["chain"][0]): string {
  return [
    capability,
    ...(scope === null ? [] : [`within ${scope}`]),
    ...(Object.keys(constraints).length === 0 ? [] : [JSON.stringify(constraints)]),
    ...(policy === null ? [] : [`(policy ${policy})`]),
    ...(revoked ? ["revoked"] : []),
  ].join(" ");
}
