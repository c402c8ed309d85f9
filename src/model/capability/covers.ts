import type { Capability } from "./capability.js";
import { netCovers, netOverlaps } from "./net-resource.js";
import { parseCapability } from "./parse.js";
import {
  exceptionOverlaps,
  isAnyAction,
  isSameAction,
  isSameDomain,
  plainCovers,
  plainOverlaps,
} from "./plain-covers.js";
import { sequenceCovers, sequencesOverlap } from "./sequence.js";

/**
 * C8: whether every resource that `requirement` names is named by `grant`. Reflexive and transitive.
 * A requirement without a resource counts as the resource of no segments as well as all others, which in
 * names only `**` takes in, not a `*` followed by `**` (C2).
 * Texts are parsed on each call; keep parsed values where it matters.
 * @throws CapabilitySyntaxError for a text that is not a capability.
 */
export function covers(grant: Capability | string, requirement: Capability | string): boolean {
  const held = typeof grant === "string" ? parseCapability(grant) : grant;
  const asked = typeof requirement === "string" ? parseCapability(requirement) : requirement;
  if (held === asked) return true;
  return plainCovers(held, asked) ?? resourceCovers(held, asked);
}

/** The same for every text, by what its resource is. */
export function resourceCovers(held: Capability, asked: Capability): boolean {
  if (!isSameDomain(held, asked)) return false;
  if (!isAnyAction(held) && !isSameAction(held, asked)) return false;
  const heldResource = held.resource;
  if (heldResource === undefined) return true;
  const askedResource = asked.resource;
  if (heldResource.kind === "net") {
    return askedResource?.kind === "net" && netCovers(heldResource, askedResource);
  }
  if (heldResource.everything) return true;
  if (askedResource?.kind !== "segments" || heldResource.rooted !== askedResource.rooted) return false;
  return sequenceCovers(heldResource.sequence, askedResource.sequence);
}

/**
 * Whether some resource is named by both (K, `except`). Symmetric and exact; where it could not be, it
 * would have to err towards true, because an exception that is missed is an escape.
 */
export function overlaps(left: Capability, right: Capability): boolean {
  return (
    plainOverlaps(left, right) ??
    plainOverlaps(right, left) ??
    exceptionOverlaps(left, right) ??
    resourcesOverlap(left, right)
  );
}

/** The same for every text, by what its resource is. */
export function resourcesOverlap(left: Capability, right: Capability): boolean {
  if (!isSameDomain(left, right)) return false;
  if (!isAnyAction(left) && !isAnyAction(right) && !isSameAction(left, right)) return false;
  const one = left.resource;
  const other = right.resource;
  if (one === undefined || other === undefined) return true;
  if (one.kind === "net") return other.kind === "net" && netOverlaps(one, other);
  if (other.kind === "net") return false;
  if (one.everything || other.everything) return true;
  return one.rooted === other.rooted && sequencesOverlap(one.sequence, other.sequence);
}
