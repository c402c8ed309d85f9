import { parseCapability } from "./parse.js";
import { refuse } from "./syntax.js";

/**
 * C7: the only way for data into a capability. Every literal is escaped, so that a file named `*` or a
 * tool named `a/b` is just that; nothing that stands in data widens what is asked for.
 *
 * | domain | literals |
 * |---|---|
 * | `fs` | one absolute path |
 * | `os` | a program name, or an absolute path |
 * | `net` | an absolute http(s) URL, or a method in upper case and such a URL; query and fragment are dropped |
 * | `memory` | one key path, split at `/`, or its segments |
 * | any other | one per segment; a `/` inside belongs to the segment |
 *
 * Without literals it is the capability without a resource. The action must be a word: `*` is authority
 * for everything, and data never asks for that.
 *
 * @returns canonical text.
 * @throws CapabilitySyntaxError for a literal that no capability can name (C4).
 */
export function capability(domain: string, action: string, ...literals: readonly string[]): string {
  if (literals.some((literal) => typeof literal !== "string")) refuse("", 0, "literals that are strings");
  // Read alone first: a `:` in either would otherwise move the rest into another place.
  const head = parseCapability(`${domain}:${action}`);
  if (head.domain !== domain || head.action !== action || action === "*") {
    refuse(`${domain}:${action}`, 0, "a domain and an action in lower case");
  }
  if (literals.length === 0) return head.text;
  return parseCapability(`${head.text}:${escapeLiterals(domain, literals)}`).text;
}

function escapeLiterals(domain: string, literals: readonly string[]): string {
  const [first = "", second] = literals;
  switch (domain) {
    case "fs":
    case "os":
      assertCount(domain, literals, 1);
      return escapeWildcards(first);
    case "net":
      assertCount(domain, literals, 2);
      // A space cannot hide in the method: a resource with a second space is refused wherever it stands.
      return second === undefined ? escapeUrl(first) : `${first} ${escapeUrl(second)}`;
    case "memory":
      return literals.length === 1 ? escapeWildcards(first) : literals.map(escapeSegment).join("/");
    default:
      return literals.map(escapeSegment).join("/");
  }
}

function assertCount(domain: string, literals: readonly string[], most: number): void {
  if (literals.length > most) {
    refuse(literals.join(" "), 0, `at most ${most} literal(s) for ${domain}`, {
      found: `${literals.length}`,
    });
  }
}

function escapeWildcards(literal: string): string {
  return literal.replace(/[\\*]/g, "\\$&");
}

function escapeSegment(literal: string): string {
  return literal.replace(/[\\*/]/g, "\\$&");
}

/**
 * A literal URL names one path: without one it is `/`, since a capability without a path names them all.
 * A `*` in the path is written `%2A`; in the host it is refused.
 */
function escapeUrl(url: string): string {
  const scheme = /^https?:\/\//i.exec(url)?.[0];
  if (scheme === undefined) refuse(url, 0, "an absolute `http://` or `https://` URL");
  const cut = url.search(/[?#]/);
  const whole = cut === -1 ? url : url.slice(0, cut);
  const slash = whole.indexOf("/", scheme.length);
  const authority = slash === -1 ? whole : whole.slice(0, slash);
  const star = authority.indexOf("*");
  if (star !== -1) refuse(url, star, "a host without wildcards");
  return `${authority}${slash === -1 ? "/" : whole.slice(slash).replaceAll("*", "%2A")}`;
}
