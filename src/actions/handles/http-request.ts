import type { JsonBytes } from "../../core/ports.js";
import { copyJson } from "../../model/copy-json.js";
import { EffectDeniedError, InvalidDataError } from "../../model/errors.js";
import type { JsonObject, JsonValue } from "../../model/json.js";
import { readContent } from "./content.js";

/** A request as it was asked: copied, its shape checked, secrets still as references. */
export interface HttpCall {
  readonly url: string;
  /** Upper-case. */
  readonly method: string;
  /** Lower-cased names, sorted; one value each. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | JsonBytes | undefined;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const headerValue = /^[\t\x20-\x7e]*$/;

/** CONNECT makes a tunnel to somewhere else; TRACE and TRACK echo credentials back. */
const forbiddenMethods = new Set(["CONNECT", "TRACE", "TRACK"]);

/**
 * Headers that say where a message goes, where it ends or what the connection does: ours alone (H4).
 * `accept-encoding` too, since an answer is bounded only as long as nothing has to be unpacked.
 */
const ourHeaders = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);

/**
 * Reads the argument of `http.request` once.
 * @throws InvalidDataError when it does not have the shape of `HttpRequest`;
 *   EffectDeniedError `forbidden_method` when the method is not even a token.
 */
export function readHttpCall(argument: unknown): HttpCall {
  const { url, method = "GET", headers = {}, body, ...rest } = asObject(copyJson(argument), "request");
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw new InvalidDataError(unknown, `\`${unknown}\` is not part of a request`);
  if (typeof url !== "string") throw new InvalidDataError("url", "`url` is not text");
  if (typeof method !== "string") throw new InvalidDataError("method", "`method` is not text");
  if (!token.test(method)) {
    throw new EffectDeniedError("forbidden_method", "the method is not a token (RFC 9110)");
  }
  const call: HttpCall = {
    url,
    method: method.toUpperCase(),
    headers: Object.entries(asObject(headers, "headers")).map(readHeader).sort(byName),
    body: body === undefined ? undefined : readContent(body, "body"),
  };
  if (call.body !== undefined && (call.method === "GET" || call.method === "HEAD")) {
    // Servers and proxies disagree about where such a message ends (request smuggling).
    throw new InvalidDataError("body", `a ${call.method} request has no body`);
  }
  return call;
}

/** The journal's form of a call. */
export function printHttpCall(call: HttpCall): JsonObject {
  const { url, method, headers, body } = call;
  return { url, method, headers: Object.fromEntries(headers), ...(body === undefined ? {} : { body }) };
}

/**
 * Refuses what a request may not contain whatever its authority.
 * @throws EffectDeniedError `forbidden_method`, `forbidden_header`
 */
export function refuseForbidden(call: HttpCall): void {
  if (forbiddenMethods.has(call.method)) {
    throw new EffectDeniedError("forbidden_method", `the method \`${call.method}\` is not allowed`);
  }
  let previous: string | undefined;
  for (const [name, value] of call.headers) {
    if (!token.test(name)) throw forbiddenHeader("a header's name is not a token (RFC 9110)");
    if (ourHeaders.has(name) || name.startsWith("proxy-")) {
      throw forbiddenHeader(`the header \`${name}\` is set by the connection alone`);
    }
    if (name === previous) throw forbiddenHeader(`the header \`${name}\` is given twice`);
    // CR and LF would begin a header, or a second request, of the caller's own.
    if (!isHeaderValue(value)) {
      throw forbiddenHeader(`the value of header \`${name}\` is not printable ASCII`);
    }
    previous = name;
  }
}

export function isHeaderValue(value: string): boolean {
  return headerValue.test(value);
}

function forbiddenHeader(message: string): EffectDeniedError {
  return new EffectDeniedError("forbidden_header", message);
}

function readHeader([name, value]: readonly [string, JsonValue]): readonly [string, string] {
  if (typeof value !== "string")
    throw new InvalidDataError(`headers.${name}`, "a header's value is not text");
  return [name.toLowerCase(), value];
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

function asObject(value: JsonValue, path: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new InvalidDataError(path, `\`${path}\` is not an object`);
}
