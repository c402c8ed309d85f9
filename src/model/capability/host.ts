import { isEverything, toSequence } from "./sequence.js";
import { GAP, toGlob, type Segment } from "./segment.js";
import { SEGMENTS_MAX, refuse } from "./syntax.js";
import type { Host } from "./net-resource.js";

/** Letters, digits, `-`, `_` and wildcards: what may stand in a host before and after IDNA. */
const HOST_TEXT = /^[a-z0-9_.*-]*$/;
/** Forbidden in a host as written, whatever a URL parser would make of it. */
const REFUSED_ASCII = /[^A-Za-z0-9_.*\u0080-\u{10ffff}-]/u;
/** A last label like this makes a URL parser read the whole host as an IPv4 address (WHATWG URL, 3.5). */
const NUMERIC_LABEL = /^(?:[0-9]+|0x[0-9a-f]*)$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const LABEL_MAX = 63;
const NAME_MAX = 253;

/**
 * Reads the host in `input[start, end)`: labels, or an address literal.
 *
 * The text is checked before any URL parser sees it: what a parser repairs (percent-escapes, octal and
 * short addresses, `２１３` in wide digits) is how a request for one host is made to look like another.
 *
 * @param anyHost `**` alone names addresses too (entries of `except`, which must err on the wide side).
 */
export function readHost(input: string, start: number, end: number, anyHost: boolean): Host {
  const raw = input.slice(start, end);
  if (raw === "") refuse(input, start, "a host");
  if (raw.startsWith("[")) return readIpv6(input, start, raw);
  const bad = raw.search(REFUSED_ASCII);
  if (bad !== -1) refuseCharacter(input, start + bad);
  const ascii = toAscii(input, start, raw);
  const labels = ascii.split(".");
  const last = labels[labels.length - 1] ?? "";
  if (NUMERIC_LABEL.test(last)) return readIpv4(input, start, raw, ascii);
  if (looksLikeAddressPattern(labels)) {
    refuse(input, start, "no wildcard in an address", { hint: "addresses are granted one by one" });
  }
  if (labels.length > SEGMENTS_MAX) refuse(input, start, `at most ${SEGMENTS_MAX} labels`);
  if (ascii.length > NAME_MAX) refuse(input, start, `a host of at most ${NAME_MAX} characters`);
  const kept = labels.filter((label, at) => label !== "**" || labels[at - 1] !== "**");
  const sequence = toSequence(kept.map((label) => readLabel(input, start, label)).reverse());
  const kind = anyHost && isEverything(sequence) ? "any" : "labels";
  return Object.freeze({ kind, labels: sequence, text: kept.join(".") });
}

function readLabel(input: string, start: number, label: string): Segment {
  if (label === "") refuse(input, start, "labels that are not empty", { found: "an empty label" });
  if (label.length > LABEL_MAX) {
    refuse(input, start, `labels of at most ${LABEL_MAX} characters`, {
      found: `a label of ${label.length}`,
    });
  }
  if (label === "**") return GAP;
  if (label.includes("**")) refuse(input, start, "`**` to stand alone as a label", { found: `\`${label}\`` });
  return label.includes("*") ? toGlob(label.split("*")) : label;
}

/** Lower case, one trailing dot dropped, IDNA to ASCII (C6); wildcard labels stay as they are. */
function toAscii(input: string, start: number, raw: string): string {
  const dotless = raw.endsWith(".") ? raw.slice(0, -1) : raw;
  const lower = dotless.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const labels = lower.split(".");
  if (HOST_TEXT.test(lower) && !labels.some((label) => label.startsWith("xn--"))) return lower;
  const wild = labels.map((label) => label.includes("*"));
  if (labels.some((label, at) => wild[at] && !HOST_TEXT.test(label))) {
    refuse(input, start, "wildcards only in ASCII labels", { found: `\`${raw}\`` });
  }
  // A plain letter stands in for each wildcard label, so that the rules for whole names still apply.
  const url = `http://${labels.map((label, at) => (wild[at] ? "x" : label)).join(".")}/`;
  const expected = "an internationalised host name that IDNA accepts";
  // Revisions of UTS 46 map the capital sharp s to two different names, so runtimes disagree on the host.
  if (raw.includes("\u1e9e")) refuse(input, start, "a lower-case `ß`", { found: "`ẞ`" });
  if (!URL.canParse(url)) refuse(input, start, expected, { found: `\`${raw}\`` });
  const converted = new URL(url).hostname.split(".");
  const name = converted.map((label, at) => (wild[at] ? (labels[at] ?? "") : label)).join(".");
  if (!HOST_TEXT.test(name) || name === "") refuse(input, start, expected, { found: `\`${raw}\`` });
  // Full stops of other scripts split labels, so positions would no longer agree.
  if (wild.includes(true) && converted.length !== labels.length) {
    refuse(input, start, "dots written as `.`", { found: `\`${raw}\`` });
  }
  if (NUMERIC_LABEL.test(converted[converted.length - 1] ?? "")) refuseAddress(input, start, raw);
  return name;
}

function readIpv4(input: string, start: number, raw: string, ascii: string): Host {
  if (!IPV4.test(ascii)) refuseAddress(input, start, raw);
  return Object.freeze({ kind: "address", text: ascii });
}

function refuseAddress(input: string, start: number, raw: string): never {
  return refuse(input, start, "an IPv4 address as four decimal numbers", {
    found: `\`${raw}\``,
    hint: "octal, hexadecimal, short and wide-digit forms of an address are refused",
  });
}

/** RFC 5952, as WHATWG URL writes it: an IPv4-mapped address comes out in hexadecimal, `[::ffff:7f00:1]`. */
function readIpv6(input: string, start: number, raw: string): Host {
  const url = `http://${raw}/`;
  if (!/^\[[0-9A-Fa-f:.]+\]$/.test(raw) || !URL.canParse(url)) {
    refuse(input, start, "an IPv6 address in brackets, without zone", { found: `\`${raw}\`` });
  }
  return Object.freeze({ kind: "address", text: new URL(url).hostname });
}

/** `10.*` or `1*`: nobody means a name by that, and names never cover addresses. */
function looksLikeAddressPattern(labels: readonly string[]): boolean {
  if (!labels.some((label) => label.includes("*"))) return false;
  const literal = labels.filter((label) => /[^*]/.test(label));
  const isNumeric = (label: string) => /^[0-9*]+$/.test(label) || NUMERIC_LABEL.test(label);
  const last = labels[labels.length - 1] ?? "";
  return literal.length > 0 && (literal.every(isNumeric) || (literal.includes(last) && isNumeric(last)));
}

function refuseCharacter(input: string, position: number): never {
  const hints: Record<string, string> = {
    "@": "user names and passwords are no part of a capability",
    "%": "write the host itself, not percent-escapes",
    "\\": "`\\` separates nothing and escapes nothing in a URL",
    "?": "the query is no part of a capability",
    "#": "the fragment is no part of a capability",
  };
  const hint = hints[input[position] ?? ""];
  return refuse(input, position, "a letter, digit, `-`, `_`, `.` or `*` in a host", {
    ...(hint !== undefined && { hint }),
  });
}
