import type { ConfigText, Part } from "./config-text.js";

/** Replaces what stands at [start, end) of a text. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies edits that do not overlap, in any order; of several insertions at one place the first given comes first. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const ordered = edits
    .map((edit, index) => ({ ...edit, index }))
    .sort((a, b) => a.start - b.start || a.end - b.end || a.index - b.index);
  let result = "";
  let done = 0;
  for (const { start, end, text: replacement } of ordered) {
    if (start < done) throw new TypeError("edits overlap");
    result += text.slice(done, start) + replacement;
    done = end;
  }
  return result + text.slice(done);
}

export function replaceValue(part: Part, text: string): TextEdit {
  return { start: part.valueStart, end: part.end, text };
}

export function replaceKey(part: Part, key: string): TextEdit {
  return { start: part.start, end: part.keyEnd, text: JSON.stringify(key) };
}

/**
 * What separates a part from one put next to it, in the file's own style: each on its own line, with the same
 * indentation and line ending, where the part begins a line; `, ` where it does not.
 */
export function separatorBeside({ text }: ConfigText, part: Part): string {
  const lead = /[ \t\r\n]*$/.exec(text.slice(0, part.start))?.[0] ?? "";
  return /[\r\n]/.test(lead) ? `,${lead}` : ", ";
}

/** Puts texts before everything that a list or object holds. `removeLeading` and `removeMember` undo it exactly. */
export function insertFirst(config: ConfigText, container: Part, texts: readonly string[]): TextEdit {
  const [first] = container.parts ?? [];
  const at = first?.start ?? container.valueStart + 1;
  const separator = first === undefined ? ", " : separatorBeside(config, first);
  return { start: at, end: at, text: texts.join(separator) + (first === undefined ? "" : separator) };
}

/** Removes the first `count` parts of a list; comments before them stay, and so do those behind the last comma. */
export function removeLeading({ text }: ConfigText, container: Part, count: number): TextEdit {
  const parts = container.parts ?? [];
  const first = parts[0];
  const last = parts[count - 1];
  if (first === undefined || last === undefined) throw new TypeError("there is nothing to remove");
  const close = container.end - 1;
  const next = parts[count];
  const comma = commaIn(text, last.end, next?.start ?? close);
  if (comma === undefined) return { start: first.start, end: last.end, text: "" };
  const space = next === undefined ? "" : (/^[ \t\r\n]*/.exec(text.slice(comma + 1))?.[0] ?? "");
  return { start: first.start, end: comma + 1 + space.length, text: "" };
}

/** Removes a member of an object with the comma that joins it to the one before, else to the one behind it. */
export function removeMember(config: ConfigText, container: Part, member: Part): readonly TextEdit[] {
  const { text } = config;
  const parts = container.parts ?? [];
  const index = parts.indexOf(member);
  const before = parts[index - 1];
  if (before === undefined && index === 0) {
    const next = parts[1];
    const comma = commaIn(text, member.end, next?.start ?? container.end - 1);
    if (comma === undefined) return [{ start: member.start, end: member.end, text: "" }];
    const space = next === undefined ? "" : (/^[ \t\r\n]*/.exec(text.slice(comma + 1))?.[0] ?? "");
    return [{ start: member.start, end: comma + 1 + space.length, text: "" }];
  }
  if (before === undefined) throw new TypeError("the member is not of this object");
  const gap = text.slice(before.end, member.start);
  if (/^[ \t\r\n]*,[ \t\r\n]*$/.test(gap)) return [{ start: before.end, end: member.end, text: "" }];
  // Somebody wrote a comment in between, which is not ours to remove.
  const comma = commaIn(text, before.end, member.start);
  if (comma === undefined) throw new TypeError("members are joined by a comma");
  return [
    { start: comma, end: comma + 1, text: "" },
    { start: member.start, end: member.end, text: "" },
  ];
}

/** Where the comma stands between two offsets that have only space, comments and at most one comma between them. */
function commaIn(text: string, start: number, end: number): number | undefined {
  const between = text.slice(start, end);
  const at = /^(?:[^,/]|\/\/[^\r\n]*|\/\*[\s\S]*?\*\/)*/.exec(between)?.[0].length ?? 0;
  return between[at] === "," ? start + at : undefined;
}
