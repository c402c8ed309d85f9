import { Capability } from "./capability.js";
import { readSegments } from "./name-path.js";
import { EXCEPT_DEFAULTS, NET_DEFAULTS, readNetResource, type NetDefaults } from "./net-text.js";
import { readPlainText } from "./plain-text.js";
import { isAnyAction } from "./plain-covers.js";
import type { Resource } from "./resource.js";
import { isEverything, toSequence } from "./sequence.js";
import { GAP } from "./segment.js";
import { CHARACTERS_MAX, WILDCARDS_MAX, assertPlainText, refuse } from "./syntax.js";

const WORD = /[a-z][a-z0-9_-]*/y;

/**
 * Text to value, in canonical form (C1, C4-C6). A parsed text is a grant or a requirement alike; for a
 * requirement use `parseRequirement`.
 * @throws CapabilitySyntaxError also when `text` is not a string at all.
 */
export function parseCapability(text: string): Capability {
  assertString(text);
  const plain = readPlainText(text);
  return plain === undefined ? readCapability(text) : Capability.plain(text, plain);
}

/** The whole grammar: everything that is no plain text, and what is wrong with it. */
export function readCapability(text: string): Capability {
  assertPlainText(text);
  const domainEnd = endOfWord(text, 0);
  if (domainEnd === 0) refuse(text, 0, "a domain in lower case");
  if (text[domainEnd] !== ":") refuse(text, domainEnd, "`:` and an action");
  const actionStart = domainEnd + 1;
  const actionEnd = text[actionStart] === "*" ? actionStart + 1 : endOfWord(text, actionStart);
  if (actionEnd === actionStart) refuse(text, actionStart, "an action in lower case, or `*`");
  const domain = text.slice(0, domainEnd);
  const action = text.slice(actionStart, actionEnd);
  if (actionEnd === text.length) return withoutResource(domain, action);
  if (text[actionEnd] !== ":") refuse(text, actionEnd, "`:` and a resource, or the end");
  return withResource(domain, action, text, actionEnd + 1, NET_DEFAULTS);
}

/** As `parseCapability`, for what an action requires: the action `*` is for grants only. */
export function parseRequirement(text: string): Capability {
  assertString(text);
  const plain = readPlainText(text);
  const capability = plain === undefined ? readCapability(text) : Capability.plainRequirement(text, plain);
  if (isAnyAction(capability)) {
    refuse(text, capability.domain.length + 1, "an action, since `*` is for grants only");
  }
  return capability;
}

/** Canonical text. `formatCapability(parseCapability(t))` is a fixed point. */
export function formatCapability(capability: Capability | string): string {
  return typeof capability === "string" ? parseCapability(capability).text : capability.text;
}

/**
 * `of` with another resource, written as a pattern in its domain's grammar; `**` is every resource.
 *
 * In `net`, what the scope leaves out (method, scheme, port) is taken from `of`: a scope narrows where a
 * capability reaches, and `POST` must not quietly turn into GET because a scope names only a host. This
 * cannot widen anything, as a requirement must be covered by the capability too (A4).
 */
export function parseScope(of: Capability, scope: string): Capability {
  const held = of.resource;
  const defaults = held?.kind === "net" ? held : NET_DEFAULTS;
  return parseResourceOf(of, scope, defaults);
}

/**
 * What an `except` entry names, for `overlaps`. As `parseScope`, but in `net` the parts left out mean any:
 * `except: ["intranet.example"]` shuts out POST, plain http and every port too. Such a value has a text
 * that `parseCapability` does not read (`net:http:* *://intranet.example:*`).
 */
export function exceptPattern(of: Capability, pattern: string): Capability {
  const excepted = parseResourceOf(of, pattern, EXCEPT_DEFAULTS);
  if (excepted.isPlain) return excepted;
  const { domain, action, text, wildcards, resource } = excepted;
  if (resource?.kind !== "net") return excepted;
  const plainText = `${domain}:${action}:${pattern}`;
  const at = readPlainText(plainText);
  if (at === undefined) return excepted;
  const plain = Capability.plain(plainText, at);
  return Capability.read(domain, action, text, wildcards, Object.freeze({ ...resource, plain }));
}

function parseResourceOf(of: Capability, pattern: string, defaults: NetDefaults): Capability {
  assertString(pattern);
  assertPlainText(pattern);
  if (pattern === "**") return withoutResource(of.domain, of.action);
  const text = `${of.domain}:${of.action}:${pattern}`;
  // In `net` the parts left out mean something else here than in a text of its own.
  const plain = of.domain === "net" ? undefined : readPlainText(text);
  if (plain !== undefined) return Capability.plain(text, plain);
  return withResource(of.domain, of.action, pattern, 0, defaults);
}

function withoutResource(domain: string, action: string): Capability {
  const text = `${domain}:${action}`;
  return Capability.read(domain, action, text, WILDCARDS_MAX + 1, undefined);
}

function withResource(
  domain: string,
  action: string,
  input: string,
  start: number,
  defaults: NetDefaults,
): Capability {
  const read = readResource(domain, input, start, defaults);
  const text = `${domain}:${action}:${read.text}`;
  const stars = read.wildcards + (action === "*" ? 1 : 0);
  if (stars > WILDCARDS_MAX) {
    refuse(input, start, `at most ${WILDCARDS_MAX} wildcards`, { found: String(stars) });
  }
  // Escaping and IDNA lengthen a text; its canonical form has to be readable again.
  if (text.length > CHARACTERS_MAX) {
    refuse(input, start, `at most ${CHARACTERS_MAX} characters in canonical form`, {
      found: String(text.length),
    });
  }
  const isOpen = read.resource.kind === "net" && read.resource.path === undefined;
  return Capability.read(domain, action, text, stars + (isOpen ? 1 : 0), read.resource);
}

/** Each domain's grammar (SEMANTICS, table under C). */
function readResource(
  domain: string,
  input: string,
  start: number,
  defaults: NetDefaults,
): { readonly resource: Resource; readonly text: string; readonly wildcards: number } {
  switch (domain) {
    case "net":
      return readNetResource(input, start, defaults);
    case "fs":
      return readPath(input, start, true);
    case "os":
      return input[start] === "/" ? readPath(input, start, false) : readProgramName(input, start);
    default: {
      // Everything but files and URLs is NFC (C5), so that two spellings of a name are one name.
      return readNames(input.slice(0, start) + input.slice(start).normalize("NFC"), start);
    }
  }
}

/** Exact, never normalised: to a Linux kernel NFC and NFD are two files (C5). */
function readPath(input: string, start: number, isWholeDomain: boolean) {
  if (input[start] !== "/") refuse(input, start, "an absolute path");
  const isRoot = start + 1 === input.length;
  const read = isRoot ? { tokens: [], text: "", wildcards: 0 } : readSegments(input, start + 1, "in paths");
  const sequence = toSequence(read.tokens);
  const everything = isWholeDomain && isEverything(sequence);
  const resource: Resource = Object.freeze({ kind: "segments", rooted: true, sequence, everything });
  return { resource, text: `/${read.text}`, wildcards: read.wildcards };
}

/** One segment, or `**` for programs by name and by path alike. Exact: a program is a file. */
function readProgramName(input: string, start: number) {
  const slash = input.indexOf("/", start);
  if (slash !== -1) refuse(input, slash, "a program name or an absolute path");
  const read = readSegments(input, start, "in paths");
  return { ...read, resource: namesOf(read.tokens) };
}

function readNames(input: string, start: number) {
  const read = readSegments(input, start, "in names");
  return { ...read, resource: namesOf(read.tokens) };
}

function namesOf(tokens: Parameters<typeof toSequence>[0]): Resource {
  const sequence = toSequence(tokens);
  const everything = tokens.length === 1 && tokens[0] === GAP;
  return Object.freeze({ kind: "segments", rooted: false, sequence, everything });
}

function endOfWord(text: string, start: number): number {
  WORD.lastIndex = start;
  return WORD.test(text) ? WORD.lastIndex : start;
}

function assertString(text: unknown): asserts text is string {
  if (typeof text !== "string") refuse("", 0, "a string", { found: text === null ? "null" : typeof text });
}
