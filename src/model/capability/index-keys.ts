import type { Capability } from "./capability.js";
import type { Sequence } from "./sequence.js";
import { SLASH } from "./syntax.js";

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

/** The places where grants that could cover a requirement stand, by how many keys they have. */
export interface Places {
  /** Of grants of the requirement's own action. */
  readonly own: readonly number[];
  /** Of grants of the action `*`. */
  readonly any: readonly number[];
}

/**
 * A number for the literal beginning of a grant's resource, its domain and its action: equal for grants that agree in
 * all of these. Others may share it, so who finds something by it still asks `covers`.
 */
export function placeOf(grant: Capability): number {
  const prefixes = prefixNumbers(grant);
  const depth = prefixes.length - 1;
  return placeAt(prefixes[depth] ?? 0, depth, actionNumber(grant));
}

/** How many keys the grants of a place have. */
export function depthOf(place: number): number {
  return place & DEPTH;
}

let lastAsked: Capability | undefined;
let lastPlaces: Places = { own: [], any: [] };

/** Where to look for what covers a requirement: at each beginning of its keys. */
export function placesFor(requirement: Capability): Places {
  // One decision looks among bindings and then among contracts.
  if (requirement === lastAsked) return lastPlaces;
  const prefixes = prefixNumbers(requirement);
  const action = actionNumber(requirement);
  const own: number[] = [];
  const any: number[] = [];
  for (let depth = 0; depth < prefixes.length; depth++) {
    const prefix = prefixes[depth] as number;
    own.push(placeAt(prefix, depth, action));
    any.push(placeAt(prefix, depth, anyAction));
  }
  lastAsked = requirement;
  lastPlaces = { own, any };
  return lastPlaces;
}

/** Of each beginning of the keys, the empty one first, with the domain. */
function prefixNumbers(capability: Capability): readonly number[] {
  const { text, domainEnd } = capability;
  let number = hashed(0, text, 0, domainEnd);
  const numbers = [number];
  if (!capability.isPlain) {
    for (const key of indexKeys(capability))
      numbers.push((number = ended(hashed(number, key, 0, key.length))));
    return numbers;
  }
  let start = capability.bodyStart;
  if (domainEnd === 3 && text.startsWith("net")) {
    const slash = text.indexOf("/", start);
    for (let end = slash; end >= start;) {
      const dot = Math.max(text.lastIndexOf(".", end - 1), start - 1);
      numbers.push((number = ended(hashed(number, text, dot + 1, end))));
      end = dot;
    }
    numbers.push((number = ended(hashed(number, ROOT, 0, 1))));
    start = slash + 1;
  } else if (text.charCodeAt(start) === SLASH) {
    start++;
  }
  const end = capability.literalEnd - 1;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    if (unit === SLASH) numbers.push((number = ended(number)));
    else number = mixed(number, unit);
  }
  if (end > start) numbers.push(ended(number));
  return numbers;
}

function placeAt(prefix: number, depth: number, action: number): number {
  return ((mixed(prefix, action) << DEPTH_BITS) & PLACE) | depth;
}

function actionNumber({ text, domainEnd, actionEnd }: Capability): number {
  return hashed(0, text, domainEnd + 1, actionEnd);
}

function hashed(seed: number, text: string, start: number, end: number): number {
  let number = seed;
  for (let at = start; at < end; at++) number = mixed(number, text.charCodeAt(at));
  return number;
}

/** So that `ab` and `c` are not `a` and `bc`. */
function ended(number: number): number {
  return mixed(number, 0x10000);
}

/** FNV-1a with the high bits folded down, so that all of them depend on all. */
function mixed(number: number, unit: number): number {
  const next = Math.imul(number ^ unit, 0x01000193);
  return next ^ (next >>> 15);
}

const anyAction = hashed(0, "*", 0, 1);
