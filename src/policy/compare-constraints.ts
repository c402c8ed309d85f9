import { type Capability, covers, exceptPattern } from "../model/capability/index.js";
import { canonicalJson } from "../model/canonical.js";
import { isWithinBlock } from "../model/constraint/blocks.js";
import type { Constraints } from "../model/constraint/index.js";
import type { JsonValue } from "../model/json.js";
import { parseDuration, parseInstant } from "../model/time.js";
import { contained, type Relation, smallerIsNarrower, together } from "./relation.js";

export interface ConstraintChange {
  readonly constraint: string;
  /** `narrower`: tightened, `wider`: loosened. Never `same`. */
  readonly relation: Relation;
  readonly from: JsonValue | undefined;
  readonly to: JsonValue | undefined;
}

type Name = keyof Constraints;

/**
 * What constraints on one capability changed, each compared by what it means (SEMANTICS K). Schemas and conditions
 * are not reasoned about: another one is `incomparable`.
 */
export function compareConstraints(
  of: Capability,
  old: Constraints,
  wanted: Constraints,
): ConstraintChange[] {
  const names = [...new Set([...Object.keys(old), ...Object.keys(wanted)])].sort() as Name[];
  return names.flatMap((name) => {
    const [from, to] = [old[name], wanted[name]] as [JsonValue | undefined, JsonValue | undefined];
    if (from !== undefined && to !== undefined && canonicalJson(from) === canonicalJson(to)) return [];
    const relation = comparisons[name]?.(old, wanted, of) ?? "incomparable";
    return relation === "same" ? [] : [{ constraint: name, relation, from, to }];
  });
}

type Comparison = (old: Constraints, wanted: Constraints, of: Capability) => Relation;

const comparisons: { readonly [name in Name]: Comparison } = {
  max_uses: (old, wanted) => smallerIsNarrower(old.max_uses, wanted.max_uses),
  max_output_bytes: (old, wanted) => smallerIsNarrower(old.max_output_bytes, wanted.max_output_bytes),
  max_effects: (old, wanted) => smallerIsNarrower(old.max_effects, wanted.max_effects),
  max_duration: (old, wanted) =>
    smallerIsNarrower(durationOf(old.max_duration), durationOf(wanted.max_duration)),
  not_before: (old, wanted) => smallerIsNarrower(negated(old.not_before), negated(wanted.not_before)),
  rate: ({ rate: old }, { rate: wanted }) => {
    if (old === undefined || wanted === undefined) return addedIsNarrower(old, wanted);
    return together([
      smallerIsNarrower(old.limit, wanted.limit),
      smallerIsNarrower(-parseDuration(old.per), -parseDuration(wanted.per)),
    ]);
  },
  except: ({ except: old = [] }, { except: wanted = [] }, of) => {
    const lies = (inner: readonly string[], outer: readonly string[]): boolean =>
      inner.every((each) => outer.some((other) => covers(exceptPattern(of, other), exceptPattern(of, each))));
    return contained(lies(old, wanted), lies(wanted, old));
  },
  params: ({ params: old }, { params: wanted }) => addedIsNarrower(old, wanted),
  when: ({ when: old }, { when: wanted }) => addedIsNarrower(old, wanted),
  approval: ({ approval: old }, { approval: wanted }) => {
    if (old === undefined || wanted === undefined || old.by !== wanted.by)
      return addedIsNarrower(old, wanted);
    return smallerIsNarrower(parseDuration(old.within), parseDuration(wanted.within));
  },
  // Two that widen where nothing above says so: what goes without one is less, unless a link above names more.
  allow_private: ({ allow_private: old }, { allow_private: wanted }) => {
    if (old === undefined) return "wider";
    if (wanted === undefined) return "incomparable";
    const lies = (inner: readonly string[], outer: readonly string[]): boolean =>
      inner.every((each) => outer.some((other) => isWithinBlock(each, other)));
    return contained(lies(wanted, old), lies(old, wanted));
  },
  unconfined: ({ unconfined: old }) => (old === undefined ? "wider" : "narrower"),
};

/** One more condition narrows; another one, nobody can tell. */
function addedIsNarrower(old: unknown, wanted: unknown): Relation {
  if (old === undefined) return "narrower";
  return wanted === undefined ? "wider" : "incomparable";
}

function durationOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

function negated(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : -parseInstant(instant);
}
