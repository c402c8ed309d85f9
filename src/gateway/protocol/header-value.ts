const prefix = "=?base64?";
const suffix = "?=";
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** What a header may hold as it is: visible ASCII, and blanks inside (RFC 9110, 5.5). */
const plain = /^[\x21-\x7e](?:[\x20\x09\x21-\x7e]*[\x21-\x7e])?$/;

/** A text as the value of a header that mirrors it (MCP 2026-07-28, streamable HTTP, value encoding). */
export function encodeHeaderValue(text: string): string {
  const isMarked = text.startsWith(prefix) && text.endsWith(suffix);
  if (plain.test(text) && !isMarked) return text;
  return prefix + Buffer.from(text, "utf8").toString("base64") + suffix;
}

/** Undefined: it is no encoding of anything. */
export function decodeHeaderValue(value: string): string | undefined {
  const trimmed = value.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
  if (
    !trimmed.startsWith(prefix) ||
    !trimmed.endsWith(suffix) ||
    trimmed.length < prefix.length + suffix.length
  )
    return trimmed;
  const inside = trimmed.slice(prefix.length, -suffix.length);
  if (!base64.test(inside)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(inside, "base64"));
  } catch {
    return undefined;
  }
}
