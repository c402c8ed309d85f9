import type { Capability } from "./capability.js";
import { isEverything, sequenceCovers, sequencesOverlap, type Sequence } from "./sequence.js";

/** `labels` from the right, or one address literal as it stands in a URL, or (`any`) whatever host. */
export type Host =
  | { readonly kind: "labels"; readonly labels: Sequence; readonly text: string }
  | { readonly kind: "address"; readonly text: string }
  | { readonly kind: "any"; readonly text: string };

/** The path of a URL. The one empty segment a URL may end in is a property of its own, not a segment. */
export interface UrlPath {
  readonly segments: Sequence;
  /** `either`: the pattern ends in `**`, which takes in that empty segment too. */
  readonly trailingSlash: "yes" | "no" | "either";
  readonly text: string;
}

/** `[METHOD ][scheme://]host[:port][/path]` (C6). */
export interface NetResource {
  readonly kind: "net";
  /** Upper case; `safe`: GET and HEAD, what no method means; `any` only in `except` entries. */
  readonly method: string;
  readonly scheme: "https" | "http" | "any";
  readonly host: Host;
  readonly port: number | "any";
  /** Undefined: every path. */
  readonly path: UrlPath | undefined;
  /** Of an `except` entry that leaves out scheme and port: itself as a plain text, when it is one but for that. */
  readonly plain?: Capability | undefined;
}

export const SAFE_METHODS = "safe";

/**
 * C6 and C8: component by component, which is exact because the components are independent.
 *
 * A requirement without a method asks for GET and HEAD both, so a grant of `GET` alone does not cover
 * it. Names never cover addresses, `**` included: who was granted names was not granted 169.254.169.254.
 */
export function netCovers(held: NetResource, asked: NetResource): boolean {
  return (
    (held.port === asked.port || held.port === "any") &&
    (held.scheme === asked.scheme || held.scheme === "any") &&
    methodCovers(held.method, asked.method) &&
    hostCovers(held.host, asked.host) &&
    pathCovers(held.path, asked.path)
  );
}

/** Whether some request is named by both. Exact for the same reason. */
export function netOverlaps(left: NetResource, right: NetResource): boolean {
  return (
    (left.port === right.port || left.port === "any" || right.port === "any") &&
    (left.scheme === right.scheme || left.scheme === "any" || right.scheme === "any") &&
    (methodCovers(left.method, right.method) || methodCovers(right.method, left.method)) &&
    hostsOverlap(left.host, right.host) &&
    pathsOverlap(left.path, right.path)
  );
}

function methodCovers(held: string, asked: string): boolean {
  if (held === asked || held === "any") return true;
  return held === SAFE_METHODS && (asked === "GET" || asked === "HEAD");
}

function hostCovers(held: Host, asked: Host): boolean {
  if (held.kind === "any") return true;
  if (held.kind === "labels") return asked.kind === "labels" && sequenceCovers(held.labels, asked.labels);
  return asked.kind === "address" && held.text === asked.text;
}

function hostsOverlap(left: Host, right: Host): boolean {
  if (left.kind === "any" || right.kind === "any") return true;
  if (left.kind === "labels") return right.kind === "labels" && sequencesOverlap(left.labels, right.labels);
  return right.kind === "address" && left.text === right.text;
}

function pathCovers(held: UrlPath | undefined, asked: UrlPath | undefined): boolean {
  if (held === undefined) return true;
  // `/**` names every path, as no path does.
  if (asked === undefined) return held.trailingSlash === "either" && isEverything(held.segments);
  if (held.trailingSlash !== "either" && held.trailingSlash !== asked.trailingSlash) return false;
  return sequenceCovers(held.segments, asked.segments);
}

function pathsOverlap(left: UrlPath | undefined, right: UrlPath | undefined): boolean {
  if (left === undefined || right === undefined) return true;
  const slashes = [left.trailingSlash, right.trailingSlash];
  if (slashes.includes("yes") && slashes.includes("no")) return false;
  return sequencesOverlap(left.segments, right.segments);
}
