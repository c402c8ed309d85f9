import type { Capability } from "./capability.js";
import type { Sequence } from "./sequence.js";

/** Between host and path, and before the path of a program: no host label is spelt like this. */
const ROOT = "/";

/**
 * The literal beginning of the resource, for a trie over grants; domain and action are left to the caller.
 *
 * Law: when `covers(grant, requirement)`, the grant's keys are a prefix of the requirement's. So a walk
 * down the requirement's keys passes every grant that can cover it. Method, scheme, port and a trailing
 * slash are no keys: a grant may leave them open where the requirement has them.
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
