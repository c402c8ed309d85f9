import { type Capability, covers } from "../model/capability/index.js";
import { DocumentError, SynapseError } from "../model/errors.js";
import { parsePolicy, type PolicyDocument } from "./file.js";
import { generalise } from "./generalise.js";
import { type Observed, type ObservedPart, observe } from "./observe.js";
import { stateOfPolicy } from "./run-cases.js";
import { narrowedTerms, type Terms } from "./terms.js";
import { isCounted, type SuggestedGrant } from "./suggested-grant.js";
import { withoutTwins } from "./suggested-twins.js";
import { suggestionText } from "./suggestion-text.js";
import { type RecordedLog, whatIf } from "./what-if.js";
import type { WhatIfReport } from "./what-if-report.js";

export interface SuggestOptions extends ObservedPart {
  /** Name of the suggested policy; one that owns nothing in the store, or applying it would take that away. */
  readonly name: string;
  /** Most wildcards in a capability that is generalised. */
  readonly wildcardsMax: number;
  /** ms since the epoch: authority that has ended by then is suggested without an end. */
  readonly now: number;
}

export interface Suggestion {
  readonly policy: PolicyDocument;
  /** In the file format of `policy apply`. */
  readonly text: string;
  readonly grants: readonly SuggestedGrant[];
  /** Of the requests that it was made from, under it and nothing else. */
  readonly check: WhatIfReport;
}

/**
 * The least policy under which what was authorised stays allowed. Each capability is one that was required, or
 * several of them generalised within what a binding allowed; constraints are carried along; its contracts are
 * as narrow as its bindings, so it stands alone.
 *
 * @throws SynapseError `nothing_observed`; `suggestion_failed` when it does not hold what it promises, or is too
 *   large for a policy file.
 */
export async function suggestPolicy(image: RecordedLog, options: SuggestOptions): Promise<Suggestion> {
  const { agentId, runId } = options;
  const observed = await observe(image, options);
  const found = withoutTwins(observed.flatMap((group) => grantsOf(group, options)));
  // Of equally wide ones the first is used (D3): what can do without a counter must not use one up.
  const grants = [...found.filter((each) => !isCounted(each)), ...found.filter(isCounted)];
  if (grants.length === 0) {
    throw new SynapseError("nothing_observed", "the log has no authorised step to make a policy from", {
      hint: "synapse runs and synapse audit list show what it has",
    });
  }
  const uses = grants.reduce((sum, grant) => sum + grant.uses, 0);
  const text = suggestionText(options.name, grants, { agentId, runId, uses });
  const policy = parseSuggestion(text, options.name);
  const check = await whatIf(image, policy, { agentId, runId, alone: true });
  const denied = check.groups.find(({ change }) => change === "newly_denied");
  if (denied !== undefined) {
    const { agent, shape, reason } = denied;
    throw new SynapseError(
      "suggestion_failed",
      `no policy was found that allows all of it: \`${shape}\` of ${agent} would be denied (${reason ?? "?"})`,
      { hint: "counters of several bindings got in each other's way: suggest for one --agent or one --run" },
    );
  }
  return Object.freeze({ policy, text, grants, check });
}

function grantsOf(
  { agent, terms, uses, gates }: Observed,
  { wildcardsMax, now }: SuggestOptions,
): SuggestedGrant[] {
  const isWithin = (capability: Capability): boolean =>
    [...gates.values()].some((all) => all.every((gate) => covers(gate, capability)));
  const used = [...uses.values()].map(({ requirement, count }) => ({
    capability: requirement,
    count,
    from: [],
  }));
  return generalise(used, isWithin, wildcardsMax).map(({ capability, count, from }) => {
    const [contract, grant] = [terms.contract, terms.grant].map((each) =>
      narrowedTerms(unlessEnded(each, now), capability, count),
    ) as [Terms, Terms];
    const ends = [terms.contract, terms.grant].flatMap(({ expiresAt }) => expiresAt ?? []);
    const endedAt = ends.find((at) => at <= now);
    const touched = [...(uses.get(capability.text)?.touched ?? [])];
    return {
      agent,
      capability: capability.text,
      contract,
      grant,
      uses: count,
      generalisedFrom: from,
      touched,
      endedAt,
    };
  });
}

/** Nothing can be bound under what has ended: then the end is left out, and said so beside the line. */
function unlessEnded(terms: Terms, now: number): Terms {
  return terms.expiresAt !== undefined && terms.expiresAt <= now ? { ...terms, expiresAt: undefined } : terms;
}

/** As `policy apply` would read it into an empty store. */
function parseSuggestion(text: string, name: string): PolicyDocument {
  try {
    const policy = parsePolicy(text, `/${name}.yaml`);
    stateOfPolicy(policy);
    return policy;
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    throw new SynapseError("suggestion_failed", `the suggested policy is not one: ${error.message}`, {
      hint: "suggest for one --agent or one --run, or with more --max-wildcards",
      cause: error,
    });
  }
}
