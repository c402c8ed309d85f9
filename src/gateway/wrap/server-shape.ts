import { capability } from "../../model/capability/index.js";
import { CapabilitySyntaxError } from "../../model/errors.js";
import { type ConfigText, memberOf, type Part, rawValue } from "./config-text.js";
import { httpTypes, readWrapper, type UrlKey, urlKeys, type Wrapper } from "./wrapper-words.js";
import { isHeaderName } from "./wrapped-environment.js";

/** What an entry is, as far as it can be wrapped, unwrapped, or has to be left alone. */
export type ServerShape =
  | { readonly kind: "stdio"; readonly command: Part; readonly args: Part | undefined }
  | {
      readonly kind: "url";
      readonly urlKey: UrlKey;
      readonly url: Part;
      readonly type: Part | undefined;
      readonly headers: Part | undefined;
    }
  | {
      readonly kind: "wrapped";
      readonly wrapper: Wrapper;
      readonly command: Part;
      readonly args: Part;
      /** How many elements of `args` are the wrapper's. */
      readonly own: number;
    }
  /** Wrapped, and changed since in a way that cannot be undone. */
  | { readonly kind: "damaged"; readonly why: string }
  | { readonly kind: "other"; readonly why: string };

/** Members by which a client logs in to a remote server itself; the gateway could not stand in for it. */
const clientLogins = ["auth", "oauth", "headersHelper", "authProviderType"];

/** @throws DocumentError `invalid_client_config` for a key that stands twice. */
export function shapeOf(config: ConfigText, name: string, entry: Part): ServerShape {
  if (entry.type !== "object") return other("it is not an object");
  const part = (key: string): Part | undefined => memberOf(config, entry, key);
  const command = part("command");
  const addresses = urlKeys.flatMap((key) => part(key) ?? []);
  if (command === undefined && addresses.length === 0)
    return other("it has neither `command` nor an address");
  const shape =
    command === undefined
      ? remoteShape(config, entry, addresses)
      : addresses.length > 0
        ? other("it has both `command` and an address")
        : localShape(command, part("args"), part("type"));
  return shape.kind === "stdio" || shape.kind === "url" ? (nameProblem(name) ?? shape) : shape;
}

function localShape(command: Part, args: Part | undefined, type: Part | undefined): ServerShape {
  if (command.string === undefined || command.string === "") return other("`command` is not a text");
  const elements = args?.parts ?? [];
  const words = elements.flatMap(({ string }) => string ?? []);
  if (args !== undefined && (args.type !== "array" || words.length !== elements.length))
    return other("`args` is not a list of texts");
  const found = args === undefined ? undefined : readWrapper([command.string, ...words]);
  if (found !== undefined && args !== undefined) {
    const own = found.length - 1;
    if (found.wrapper.before.kind === "url" ? words.length === own : words.length > own)
      return { kind: "wrapped", wrapper: found.wrapper, command, args, own };
    return Object.freeze({
      kind: "damaged",
      why: "it was wrapped, and what stands behind `--` was changed since",
    });
  }
  if (type !== undefined && type.string !== "stdio" && type.string !== "local")
    return other("its `type` is not that of a command");
  if (isGateway([command.string, ...words])) return other("it is a gateway already");
  return { kind: "stdio", command, args };
}

function remoteShape(config: ConfigText, entry: Part, addresses: readonly Part[]): ServerShape {
  const [url, second] = addresses;
  const urlKey = urlKeys.find((key) => key === url?.key);
  if (url === undefined || urlKey === undefined || second !== undefined)
    return other("it has more than one address");
  if (!/^(https?:\/\/|\$)/.test(url.string ?? "")) return other("its address is not http or https");
  const type = memberOf(config, entry, "type");
  if (type?.string === "sse") return other("it speaks SSE, the older protocol, which the gateway does not");
  if (type !== undefined && !httpTypes.includes(type.string ?? ""))
    return other("its `type` is not that of an HTTP server");
  const login = clientLogins.find((key) => memberOf(config, entry, key) !== undefined);
  if (login !== undefined) return other(`the client logs in to it by itself (\`${login}\`)`);
  for (const key of ["args", "env"])
    if (memberOf(config, entry, key) !== undefined) return other(`it has an address and \`${key}\``);
  const headers = memberOf(config, entry, "headers");
  if (headers !== undefined) {
    if (headers.type !== "object") return other("`headers` is not an object");
    const strange = (headers.parts ?? []).find(
      ({ key, string }) => string === undefined || !isHeaderName(key) || !memberOf(config, headers, key),
    );
    if (strange !== undefined) return other("`headers` holds what is not a header");
  }
  // `unwrap` writes these again, and can only give back what is written as one would expect.
  const written = [url, ...(headers === undefined ? [] : [headers, ...(headers.parts ?? [])])];
  const escaped = written.some(
    (part) => config.text.slice(part.start, part.keyEnd) !== JSON.stringify(part.key),
  );
  if (escaped || (type !== undefined && rawValue(config, type) !== JSON.stringify(type.string)))
    return other("its keys are written with escapes");
  return { kind: "url", urlKey, url, type, headers };
}

/** A name has to be one segment of `mcp:call:<server>/<tool>`, and pass through the client's arguments unchanged. */
function nameProblem(name: string): ServerShape | undefined {
  try {
    capability("mcp", "call", name, "tool");
  } catch (error) {
    if (error instanceof CapabilitySyntaxError) return other("no capability can hold its name");
    throw error;
  }
  return name.includes("$") ? other("the client could read its name as a variable") : undefined;
}

/** Somebody wrote `synapse gateway …` by hand. */
function isGateway(words: readonly string[]): boolean {
  const at = words.indexOf("gateway");
  const before = (words[at - 1] ?? "").split(/[/\\]/);
  return (
    /^synapse(-pipeline)?(@.*|\.cmd|\.exe)?$/.test(before.at(-1) ?? "") ||
    before.slice(-2).join("/") === "cli/main.js"
  );
}

function other(why: string): ServerShape {
  return Object.freeze({ kind: "other", why });
}
