import { isJsonObject, type JsonValue } from "../json.js";
import { formatInstant } from "../time.js";
import { isCount } from "./hash.js";

/** What one member of an event has to be. */
export interface MemberCheck {
  readonly holds: (value: JsonValue | undefined) => boolean;
  /**
   * A regular expression for how such a value is nearly always written: text that it matches is RFC 8785, and the
   * value it stands for holds. It matches ASCII without escapes alone, it has no groups that capture, and what it
   * does not match may be right all the same. Undefined where there is no such expression.
   */
  readonly usual: string | undefined;
  /** The same with one group: what is between the quotes of a text, or else the whole value; `null` fills none. */
  readonly captured: string | undefined;
  readonly optional: boolean;
}

function check(
  holds: (value: JsonValue | undefined) => boolean,
  usual?: string,
  captured = usual && `(${usual})`,
): MemberCheck {
  return Object.freeze({ holds, usual, captured, optional: false });
}

/** @param content what is between the quotes. */
function checkText(
  holds: (value: JsonValue | undefined) => boolean,
  content: string | undefined,
): MemberCheck {
  return check(holds, content && `"${content}"`, content && `"(${content})"`);
}

/** What needs no escape in JSON, and is one byte. */
const plain = String.raw`[ !#-\[\]-~]`;
/** At most 15 digits: each such number is one that a double holds, and is written as RFC 8785 writes it. */
const counting = String.raw`[1-9]\d{0,14}`;

export const text = checkText((value) => typeof value === "string", `${plain}*`);
export const name = checkText((value) => typeof value === "string" && value !== "", `${plain}+`);
export const count = check((value) => isCount(value), `(?:0|${counting})`);
export const positive = check((value) => isCount(value) && value > 0, counting);
export const flag = check((value) => typeof value === "boolean", "(?:true|false)");
export const seed = check(
  (value) => typeof value === "string" || Number.isSafeInteger(value),
  `(?:"${plain}*"|0|-?${counting})`,
);
export const object = check((value) => isJsonObject(value));
/** SHA-256 in hex. */
export const commitment = checkText(
  (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value),
  // Written out: a count is kept while the expression runs, and takes longer than the digits.
  "[0-9a-f]".repeat(64),
);
/** A date that exists in every year: the 29th of February is looked up. */
const monthAndDay = String.raw`(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)`;
/** The one spelling that the writer uses: 24 characters, UTC, milliseconds. */
export const instant = checkText(
  (value) => typeof value === "string" && isInstant(value),
  String.raw`\d{4}-${monthAndDay}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z`,
);

export function optional({ holds, usual, captured }: MemberCheck): MemberCheck {
  return Object.freeze({
    holds: (value: JsonValue | undefined) => value === undefined || holds(value),
    usual,
    captured,
    optional: true,
  });
}

export function orNull({ holds, usual, captured }: MemberCheck): MemberCheck {
  return check(
    (value) => value === null || holds(value),
    usual && `(?:null|${usual})`,
    captured && `(?:null|${captured})`,
  );
}

export function listOf({ holds, usual }: MemberCheck): MemberCheck {
  return check(
    (value) => Array.isArray(value) && value.every((element: JsonValue) => holds(element)),
    usual && String.raw`\[(?:${usual}(?:,${usual})*)?\]`,
  );
}

export function oneOf(...values: readonly string[]): MemberCheck {
  const isPlain = values.every((value) => /^[a-z0-9_.]+$/.test(value));
  return checkText(
    (value) => typeof value === "string" && values.includes(value),
    isPlain ? `(?:${values.map((value) => value.replaceAll(".", String.raw`\.`)).join("|")})` : undefined,
  );
}

/** One link that an authorisation is charged to, and for how long where the link has a rate. */
export const charge = check(
  (value) =>
    value !== undefined &&
    isJsonObject(value) &&
    name.holds(value["id"]) &&
    optional(positive).holds(value["per_ms"]),
  String.raw`\{"id":"${plain}+"(?:,"per_ms":${counting})?\}`,
);

function isInstant(value: string): boolean {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)) return false;
  // A date that does not exist is none, or comes back as another one.
  const ms = Date.parse(value);
  return !Number.isNaN(ms) && formatInstant(ms) === value;
}
