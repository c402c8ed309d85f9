import type { Capability } from "./capability.js";
import { hashed, withKey } from "./hash.js";
import { isAnyAction } from "./plain-covers.js";
import { plainRoute } from "./plain-text.js";
import { actionNumber, ANY_ACTION, Route } from "./route.js";
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

const whole = new Route();

/** The numbers of a capability, until somebody asks for those of another (`Route`). */
export function routeOf(capability: Capability): Route {
  const { text, domainEnd, actionEnd } = capability;
  if (capability.isPlain) return plainRoute(text);
  let number = hashed(0, text, 0, domainEnd);
  whole.action = isAnyAction(capability)
    ? ANY_ACTION
    : actionNumber(hashed(0, text, domainEnd + 1, actionEnd));
  whole.prefixes[0] = number;
  whole.depth = 0;
  for (const key of indexKeys(capability)) {
    number = withKey(number, hashed(0, key, 0, key.length));
    whole.prefixes[++whole.depth] = number;
  }
  return whole;
}
