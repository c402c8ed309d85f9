import type { JsonObject, JsonValue } from "./json.js";

/**
 * RFC 8785 text of a JSON value: the one form that is hashed, logged and compared. Members that are `undefined` are
 * left out, as in JSON.
 *
 * @throws TypeError for what is not JSON: a number that is not finite, text with a lone surrogate, a function.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return printedNumber(value);
  if (value === null) return "null";
  if (typeof value === "object")
    return Array.isArray(value) ? printedArray(value) : printedObject(value as JsonObject);
  if (typeof value === "boolean") return value ? "true" : "false";
  throw new TypeError("only JSON values have a canonical form");
}

/** All but what stands for itself: what RFC 8785, 3.2.2.2 escapes, and surrogates, which are looked at in pairs. */
const special = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

function quoted(text: string): string {
  if (!special.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new TypeError("a lone surrogate is not allowed in canonical JSON");
  // ECMAScript escapes what RFC 8785 says, and in its way.
  return JSON.stringify(text);
}

function printedNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} is not allowed in canonical JSON`);
  // RFC 8785, 3.2.2.3 is ECMAScript's own form; -0 is 0 in it.
  return `${value}`;
}

function printedArray(values: readonly JsonValue[]): string {
  let text = "";
  for (let at = 0; at < values.length; at++) {
    // As in JSON, an element that is missing is null.
    text += `${at === 0 ? "[" : ","}${canonicalJson(values[at] ?? null)}`;
  }
  return text === "" ? "[]" : `${text}]`;
}

function printedObject(value: JsonObject): string {
  const { sorted, heads } = orderOf(Object.keys(value));
  let text = "";
  for (let at = 0; at < sorted.length; at++) {
    const member = value[sorted[at] as string];
    if (member === undefined) continue;
    const head = heads[at] ?? headOf(sorted[at] as string);
    // Each piece that is put to a text is memory: most members are texts that stand for themselves.
    if (typeof member === "string" && !special.test(member)) {
      text = text === "" ? head.firstText : text + head.nextText;
      text += member;
      text += '"';
    } else {
      text = text === "" ? head.first : text + head.next;
      text += canonicalJson(member);
    }
  }
  return text === "" ? "{}" : `${text}}`;
}

/** What stands before a member's value: of the first one of an object and of the others, and before a text. */
interface Head {
  readonly first: string;
  readonly next: string;
  readonly firstText: string;
  readonly nextText: string;
}

function headOf(name: string): Head {
  const head = `${quoted(name)}:`;
  return { first: `{${head}`, next: `,${head}`, firstText: `{${head}"`, nextText: `,${head}"` };
}

/** In which order members are printed. */
interface Order {
  readonly keys: readonly string[];
  readonly sorted: readonly string[];
  /** Undefined for a name that has no canonical form: it is refused when it has a value. */
  readonly heads: readonly (Head | undefined)[];
}

/*
 * Sorting takes longer than printing, and almost every object has the members of one that was printed lately, made in
 * the same order. What is kept is bounded: an entry gives way to the next one of its place.
 */
const lately: (Order | undefined)[] = new Array<undefined>(256).fill(undefined);
const keptKeysMax = 64;
const keptUnitsMax = 2_048;

function orderOf(keys: readonly string[]): Order {
  const place = placeOf(keys);
  const kept = lately[place];
  if (kept !== undefined && isSame(kept.keys, keys)) return kept;
  // UTF-16 code units, as RFC 8785, 3.2.3 has it, are what sort() compares.
  const sorted = [...keys].sort();
  const heads = sorted.map((key) => (key.isWellFormed() ? headOf(key) : undefined));
  const order: Order = { keys, sorted, heads };
  if (keys.length <= keptKeysMax && unitsOf(keys) <= keptUnitsMax) lately[place] = order;
  return order;
}

/** Of lengths alone, which cost nothing to read; what collides is told apart by comparing. */
function placeOf(keys: readonly string[]): number {
  const { length } = keys;
  if (length === 0) return 0;
  const [first, middle, last] = [keys[0], keys[length >> 1], keys[length - 1]] as [string, string, string];
  return (length * 37 + first.length * 11 + middle.length * 3 + last.length * 5) & 255;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function unitsOf(keys: readonly string[]): number {
  let units = 0;
  for (const key of keys) units += key.length;
  return units;
}
