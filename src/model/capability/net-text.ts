import { readHost } from "./host.js";
import { SAFE_METHODS, type Host, type NetResource } from "./net-resource.js";
import { refuse } from "./syntax.js";
import { readUrlPath } from "./url-path.js";

/** What the parts that a text leaves out mean. */
export interface NetDefaults {
  readonly method: string;
  readonly scheme: NetResource["scheme"];
  /** Undefined: the scheme's own. */
  readonly port: number | "any" | undefined;
}

/** C6. */
export const NET_DEFAULTS: NetDefaults = Object.freeze({
  method: SAFE_METHODS,
  scheme: "https",
  port: undefined,
});

/** In `except` what is left out means any: an exception that misses POST by default would be a hole. */
export const EXCEPT_DEFAULTS: NetDefaults = Object.freeze({ method: "any", scheme: "any", port: "any" });

const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const PORT_MAX = 65_535;

/** Reads `[METHOD ][scheme://]host[:port][/path]` from `start` to the end of `input`. */
export function readNetResource(
  input: string,
  start: number,
  defaults: NetDefaults,
): { readonly resource: NetResource; readonly text: string; readonly wildcards: number } {
  const space = input.indexOf(" ", start);
  const method = space === -1 ? defaults.method : readMethod(input, start, space);
  let at = space === -1 ? start : space + 1;

  const written = readScheme(input, at);
  const scheme = written ?? defaults.scheme;
  if (written !== undefined) at += written.length + "://".length;

  const slash = input.indexOf("/", at);
  const end = slash === -1 ? input.length : slash;
  const bracket = input[at] === "[" ? input.indexOf("]", at) : at;
  const colon = input.indexOf(":", bracket === -1 ? end : bracket);
  const hostEnd = colon === -1 || colon > end ? end : colon;
  const host = readHost(input, at, hostEnd, defaults === EXCEPT_DEFAULTS);
  const port = hostEnd < end ? readPort(input, hostEnd + 1, end) : portLeftOut(written, defaults, scheme);

  const read = slash === -1 ? undefined : readUrlPath(input, slash, labelCount(host));
  const resource: NetResource = Object.freeze({ kind: "net", method, scheme, host, port, path: read?.path });
  const wildcards = (host.text.match(/\*+/g)?.length ?? 0) + (read?.wildcards ?? 0);
  return { resource, text: print(resource), wildcards };
}

function readMethod(input: string, start: number, space: number): string {
  if (!METHOD.test(input.slice(start, space))) {
    refuse(input, start, "a method in upper case, one space, and a host", {
      found: `\`${input.slice(start, space)}\``,
    });
  }
  return input.slice(start, space);
}

function readScheme(input: string, start: number): "http" | "https" | undefined {
  const colon = input.indexOf("://", start);
  const slash = input.indexOf("/", start);
  if (colon === -1 || slash !== colon + 1) return undefined;
  const scheme = input.slice(start, colon).toLowerCase();
  if (scheme === "http" || scheme === "https") return scheme;
  return refuse(input, start, "`http://` or `https://`", { found: `\`${input.slice(start, colon)}\`` });
}

/** No zero in front: `:0443` is one more spelling that tools read differently. */
function readPort(input: string, start: number, end: number): number {
  const digits = input.slice(start, end);
  const port = Number(digits);
  if (!/^[1-9][0-9]{0,4}$/.test(digits) || port > PORT_MAX) {
    refuse(input, start, `a port from 1 to ${PORT_MAX}`, {
      found: digits === "" ? "no digits" : `\`${digits}\``,
      ...(digits.includes("@") && { hint: "user names and passwords are no part of a capability" }),
    });
  }
  return port;
}

/** Another scheme than the default's brings its own port, except where any port is meant. */
function portLeftOut(
  written: NetResource["scheme"] | undefined,
  defaults: NetDefaults,
  scheme: NetResource["scheme"],
): number | "any" {
  if (defaults.port === "any") return "any";
  const inherited = written === undefined || written === defaults.scheme ? defaults.port : undefined;
  return inherited ?? defaultPort(scheme);
}

function defaultPort(scheme: NetResource["scheme"]): number {
  return scheme === "http" ? 80 : 443;
}

function labelCount(host: Host): number {
  return host.kind === "address" ? 1 : host.text.split(".").length;
}

function print(resource: NetResource): string {
  const { method, scheme, host, port, path } = resource;
  const methodText = method === SAFE_METHODS ? "" : `${method === "any" ? "*" : method} `;
  const schemeText = scheme === "https" ? "" : `${scheme === "any" ? "*" : scheme}://`;
  const isDefault = scheme !== "any" && port === defaultPort(scheme);
  const portText = isDefault ? "" : `:${port === "any" ? "*" : port}`;
  return `${methodText}${schemeText}${host.text}${portText}${path?.text ?? ""}`;
}
