import { type Capability, covers, parseCapability } from "../model/capability/index.js";
import { CapabilitySyntaxError } from "../model/errors.js";
import { slotsOf } from "./slots.js";

/** A capability that was used, or that several were generalised to. */
export interface Use {
  readonly capability: Capability;
  /** How many times. */
  readonly count: number;
  /** What it was generalised from, in the order it was met; empty when it was used as it stands. */
  readonly from: readonly string[];
}

/** So many that differ in one part only ask for a wildcard there. */
export const severalMin = 3;

/**
 * Capabilities that say what was used, with a `*` where several differ in one segment of a path or in the first
 * label of a host, and only there.
 *
 * @param isWithin whether a capability is within what was granted: no other one is made.
 * @param wildcardsMax most wildcards in one that is made.
 */
export function generalise(
  uses: readonly Use[],
  isWithin: (capability: Capability) => boolean,
  wildcardsMax: number,
): readonly Use[] {
  let current = withoutCovered(uses);
  const longest = Math.max(0, ...current.map(({ capability }) => slotsOf(capability).texts.length));
  // From the right: names in a folder are alike more often than the folders are.
  for (let at = longest - 1; at >= 0; at--) {
    const buckets = new Map<string, Use[]>();
    const others: Use[] = [];
    for (const use of current) {
      const key = keyAt(use.capability, at);
      const bucket = key === undefined ? others : (buckets.get(key) ?? []);
      bucket.push(use);
      if (key !== undefined) buckets.set(key, bucket);
    }
    current = [...buckets.values(), others].flatMap((bucket) => {
      if (bucket === others || bucket.length < severalMin) return bucket;
      const pattern = patternAt(bucket[0] as Use, at);
      if (pattern === undefined || pattern.wildcards > wildcardsMax || !isWithin(pattern)) return bucket;
      return [together(pattern, bucket)];
    });
  }
  return withoutCovered(current);
}

/** What a capability has in common with others that differ at one place only; undefined where it cannot vary. */
function keyAt(capability: Capability, at: number): string | undefined {
  const { texts, mayVary, rebuild } = slotsOf(capability);
  return mayVary[at] === true ? `${texts.length} ${rebuild(texts.with(at, "\u0000"))}` : undefined;
}

function patternAt({ capability }: Use, at: number): Capability | undefined {
  const { texts, rebuild } = slotsOf(capability);
  try {
    return parseCapability(rebuild(texts.with(at, "*")));
  } catch (error) {
    // Too many wildcards for any capability (C4), or a host that may have none.
    if (error instanceof CapabilitySyntaxError) return undefined;
    throw error;
  }
}

function together(capability: Capability, uses: readonly Use[]): Use {
  return {
    capability,
    count: uses.reduce((sum, use) => sum + use.count, 0),
    from: uses.flatMap((use) => (use.from.length === 0 ? [use.capability.text] : use.from)),
  };
}

/** What another one covers needs no line of its own; its uses count for that one. */
function withoutCovered(uses: readonly Use[]): readonly Use[] {
  const kept: Use[] = [];
  // The widest first, so that each meets what covers it.
  for (const use of [...uses].sort((a, b) => b.capability.wildcards - a.capability.wildcards)) {
    const wider = kept.findIndex((each) => covers(each.capability, use.capability));
    const found = kept[wider];
    if (found === undefined) kept.push(use);
    else kept[wider] = { ...found, count: found.count + use.count };
  }
  const order = new Map(uses.map(({ capability }, index) => [capability.text, index]));
  return kept.sort((a, b) => (order.get(a.capability.text) ?? 0) - (order.get(b.capability.text) ?? 0));
}
