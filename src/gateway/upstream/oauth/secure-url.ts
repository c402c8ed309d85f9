const local = ["127.0.0.1", "[::1]", "localhost"];

/**
 * Where a secret may be sent, and a token be had from: https, or http on this machine. Addresses in metadata are a
 * server's words: `file:`, `javascript:` and the like are none, and nothing is ever opened.
 *
 * @returns undefined: not there.
 */
export function secureUrl(text: unknown): URL | undefined {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== "" || url.password !== "") return undefined;
  const isLocal = url.protocol === "http:" && local.includes(url.hostname);
  return url.protocol === "https:" || isLocal ? url : undefined;
}
