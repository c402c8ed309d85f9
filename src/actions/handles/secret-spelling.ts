/**
 * How a secret may look when a server sends it back: as it is, escaped for JSON or a URL, in hexadecimal
 * or base64 at any alignment (`Basic` credentials put a user name before it). Each spelling is a binary
 * string, one character a byte. Best effort: a server that means to hide it can.
 */
export function spellingsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, "utf8");
  const percent = encodeURIComponent(secret);
  const inBase64 = [0, 1, 2].flatMap((offset) => {
    const inner = innerBase64(bytes, offset);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const all = [
    bytes.toString("latin1"),
    Buffer.from(JSON.stringify(secret).slice(1, -1), "utf8").toString("latin1"),
    percent,
    percent.replaceAll("%20", "+"),
    percent.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...inBase64,
  ];
  return [...new Set(all)];
}

/** The base64 characters that depend on these bytes alone when `offset` bytes (modulo 3) stand before them. */
function innerBase64(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(first, end);
}
