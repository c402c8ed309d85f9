import { capability } from "../../model/capability/index.js";
import { CapabilitySyntaxError, EffectDeniedError, EffectFailedError } from "../../model/errors.js";

/** RFC 3986 unreserved characters: the same resource with or without escaping. */
const unreserved = /^[A-Za-z0-9\-._~]$/;

/**
 * The URL as it is checked and sent, one spelling for each: no fragment, host without its trailing dot,
 * unreserved escapes in the path decoded and others upper-cased (SEMANTICS C6). Give it only text that
 * `capability()` accepted or that a URL parser made.
 */
export function canonicalUrl(text: string): URL {
  const url = new URL(text);
  url.hash = "";
  if (url.hostname.endsWith(".")) url.hostname = url.hostname.slice(0, -1);
  url.pathname = url.pathname.replace(/%([0-9A-Fa-f]{2})/g, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return unreserved.test(character) ? character : escape.toUpperCase();
  });
  return url;
}

/** Canonical text of the power to send this method to this URL. @throws CapabilitySyntaxError */
export function httpCapability(method: string, url: string): string {
  return capability("net", "http", method, url);
}

/**
 * Where a redirect leads. The text comes from a server, so everything about it is hostile.
 *
 * @throws EffectFailedError `bad_response`: not an http(s) URL, or one that no capability can name
 *   (userinfo, encoded slashes, …); EffectDeniedError `insecure_redirect`: from https to http.
 */
export function redirectTarget(from: URL, location: string, method: string): URL {
  let target: URL;
  try {
    target = canonicalUrl(new URL(location, from).href);
    if (target.protocol !== "http:" && target.protocol !== "https:") {
      throw new EffectFailedError("bad_response", `\`${from.host}\` redirects to something that is not http`);
    }
    httpCapability(method, target.href);
  } catch (error) {
    // `new URL` throws a TypeError; whatever else it may be is not about the server's text.
    if (!(error instanceof TypeError) && !(error instanceof CapabilitySyntaxError)) throw error;
    throw new EffectFailedError("bad_response", `\`${from.host}\` redirects to an address that is refused`, {
      cause: error,
    });
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw new EffectDeniedError("insecure_redirect", `\`${from.host}\` redirects from https to http`);
  }
  return target;
}
