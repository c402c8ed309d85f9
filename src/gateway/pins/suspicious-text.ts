import { isJsonObject, type JsonValue } from "../../model/json.js";

/**
 * Characters that a person who reads a tool's description does not see, while a model does: controls, marks and
 * overrides of writing direction, zero-width characters, tags (Trojan Source, CVE-2021-42574; "ASCII smuggling").
 */
const unseen =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00-\ufe0e\u{e0100}-\u{e01ef}]/gu;

/** What ordinary text of several lines holds. */
const ordinary: ReadonlySet<string> = new Set(["\n", "\r", "\t"]);

/** MCP 2025-11-25, tool names; anything else is confusing at best. */
const plainName = /^[A-Za-z0-9_./-]{1,128}$/;

/** Code points that are not to be seen, in order of appearance, as `U+202E`; at most 20 of them, each once. */
export function unseenCharacters(text: string): readonly string[] {
  const found = new Set<string>();
  for (const [character] of text.matchAll(unseen)) {
    if (ordinary.has(character)) continue;
    found.add(`U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`);
    if (found.size === 20) break;
  }
  return [...found];
}

/** Why a definition is not to be trusted at sight; undefined when nothing is odd about it. */
export function suspicionOf(name: string, definition: JsonValue): string | undefined {
  if (!plainName.test(name)) return "its name is not 1 to 128 of letters, digits and . _ - /";
  // Nothing here trips over it, but it is an attack on whoever keeps tools in a plain object.
  if (name in {}) return "its name is that of a member that every JavaScript object has";
  const found = new Set<string>();
  const visit = (value: JsonValue): void => {
    if (typeof value === "string") for (const each of unseenCharacters(value)) found.add(each);
    else if (Array.isArray(value)) (value as readonly JsonValue[]).forEach(visit);
    else if (isJsonObject(value)) {
      for (const [key, member] of Object.entries(value)) {
        visit(key);
        visit(member);
      }
    }
  };
  visit(definition);
  if (found.size === 0) return undefined;
  return `its definition holds characters that are not to be seen: ${[...found].slice(0, 20).join(" ")}`;
}
