import type { Capability } from "./capability.js";
import { ended, hashed } from "./hash.js";
import { readPlainText } from "./plain-text.js";
import type { Sequence } from "./sequence.js";

/** Between host and path, and before the path of a program: no host label is spelt like this. */
const ROOT = "/";

/**
 * The literal beginning of the resource, for an index over grants; domain and action are left to the caller.
 *
 * Law: when `covers(grant, requirement)`, the grant's keys are a prefix of the requirement's. Method, scheme, port
 * and a trailing slash are no keys: a grant may leave them open where the requirement has them.
 */
export function indexKeys(capability: Capability): readonly string[] {
  const { resource } = capability;
  if (resource === undefined) return [];
  if (resource.kind === "segments") {
    const keys = literalPrefix(resource.sequence);
    return resource.rooted && capability.domain === "os" ? [ROOT, ...keys] : keys;
  }
  const { host, path } = resource;
  if (host.kind === "any") return [];
  const hostKeys = host.kind === "address" ? [host.text] : literalPrefix(host.labels);
  if (host.kind === "labels" && hostKeys.length < host.labels.segments.length) return hostKeys;
  return [...hostKeys, ROOT, ...(path === undefined ? [] : literalPrefix(path.segments))];
}

function literalPrefix(sequence: Sequence): string[] {
  const keys: string[] = [];
  for (const segment of sequence.segments) {
    if (typeof segment !== "string") break;
    keys.push(segment);
  }
  return keys;
}

/** Of a place, how many keys it has stands in the low bits: a grant is compared only with what could be equal. */
const DEPTH_BITS = 7;
const DEPTH = (1 << DEPTH_BITS) - 1;
/** Fits a small integer of every build of V8. */
const PLACE = 0x3fffffff;

/**
 * A number for the domain and the keys of a grant: equal for grants that agree in them. Others may share it, so who
 * finds something by it still asks `covers`.
 */
export function placeOf(grant: Capability): number {
  const prefixes = prefixNumbers(grant);
  const depth = prefixes.length - 1;
  return placeAt(prefixes, depth);
}

/** How many keys the grants of a place have. */
export function depthOf(place: number): number {
  return place & DEPTH;
}

/** The place of grants that have the first `depth` of a requirement's keys. */
export function placeAt(prefixes: readonly number[], depth: number): number {
  return (((prefixes[depth] as number) << DEPTH_BITS) & PLACE) | depth;
}

/** A number for a place together with an action; `*` when none is given. */
export function placeOfAction(place: number, action?: Capability): number {
  if (action === undefined) return hashed(place, "*", 0, 1) & PLACE;
  const { text, domainEnd, actionEnd } = action;
  return hashed(place, text, domainEnd + 1, actionEnd) & PLACE;
}

/** A number for each beginning of the domain and the keys, the one without keys first. */
export function prefixNumbers(capability: Capability): readonly number[] {
  if (capability.isPlain) return capability.prefixes ?? readPlainText(capability.text)?.prefixes ?? [];
  let number = hashed(0, capability.text, 0, capability.domainEnd);
  const numbers = [number];
  for (const key of indexKeys(capability)) {
    number = ended(hashed(number, key, 0, key.length));
    numbers.push(number);
  }
  return numbers;
}
