import { SynapseError } from "../../model/errors.js";
import { headerSeparator, headerVariablePrefix, isHeaderName, urlVariable } from "./wrapped-environment.js";

/** The one upstream server of a gateway that a client starts from a wrapped entry. */
export type WrappedServer =
  | {
      readonly kind: "stdio";
      readonly name: string;
      readonly command: string;
      readonly args: readonly string[];
      /** For the server: what the client gave to the gateway, without Synapse's own variables. */
      readonly env: { readonly [name: string]: string };
    }
  | {
      /** Streamable HTTP. */
      readonly kind: "http";
      readonly name: string;
      /** Absolute, http or https, without user and password. */
      readonly url: string;
      /** Names as they are written, each once whatever its case; `Accept` and `Content-Type` are left out. */
      readonly headers: readonly (readonly [name: string, value: string])[];
    };

/**
 * Reads the single-server form of the gateway:
 *
 *     synapse gateway --agent A --server NAME [--db FILE] [--wrapped NOTE] -- COMMAND [ARG…]
 *     SYNAPSE_MCP_URL=… SYNAPSE_MCP_HEADER_1='Name: value' … synapse gateway --agent A --server NAME --
 *
 * Words behind `--` win over the variables. The note of `--wrapped` is for `unwrap` and means nothing here.
 *
 * A wrapped server gets the environment that its client would have given to it directly. That is no leak from one
 * server to another: a client starts a gateway of its own for each.
 *
 * @param words what stands behind `--`.
 * @throws SynapseError `invalid_upstream`.
 */
export function wrappedServer(
  name: string,
  words: readonly string[],
  env: { readonly [name: string]: string | undefined },
): WrappedServer {
  const [command, ...args] = words;
  if (command !== undefined) {
    if (command === "") throw invalid("the command behind `--` is empty");
    const passed = Object.entries(env).flatMap(([key, value]) =>
      value === undefined || key.startsWith("SYNAPSE_") ? [] : [[key, value] as const],
    );
    const copy = Object.freeze(Object.fromEntries(passed));
    return Object.freeze({ kind: "stdio", name, command, args: Object.freeze(args), env: copy });
  }
  const url = env[urlVariable];
  if (url === undefined || url === "")
    throw invalid(`there is neither a command behind \`--\` nor ${urlVariable}`);
  return Object.freeze({ kind: "http", name, url: addressOf(url), headers: Object.freeze(headersOf(env)) });
}

/** Values are never shown: addresses and headers are where people keep tokens. */
function addressOf(text: string): string {
  assertExpanded(urlVariable, text);
  if (!URL.canParse(text)) throw invalid(`${urlVariable} is not a URL`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw invalid(`${urlVariable} is not http or https`);
  if (url.username !== "" || url.password !== "")
    throw invalid(`${urlVariable} holds a user or password`, "send them in an Authorization header");
  return text;
}

function headersOf(env: { readonly [name: string]: string | undefined }): (readonly [string, string])[] {
  const numbers = Object.keys(env)
    .filter((key) => key.startsWith(headerVariablePrefix) && env[key] !== undefined)
    .map((key) => key.slice(headerVariablePrefix.length))
    .sort((a, b) => Number(a) - Number(b));
  const seen = new Set<string>();
  return numbers.flatMap((number) => {
    const variable = headerVariablePrefix + number;
    const text = env[variable] ?? "";
    if (!/^[1-9][0-9]{0,3}$/.test(number)) throw invalid(`${variable} is not numbered`);
    const at = text.indexOf(headerSeparator);
    const name = text.slice(0, Math.max(at, 0));
    const value = text.slice(at + headerSeparator.length);
    if (!isHeaderName(name)) throw invalid(`${variable} is not of the form \`Name: value\``);
    assertExpanded(variable, value);
    // A line break would let whoever fills in a variable add headers, or a second request (RFC 9110, 5.5).
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
      throw invalid(`${variable} holds a character that a header cannot have`);
    if (framing.has(name.toLowerCase()))
      throw invalid(`${variable} sets \`${name}\`, which is the gateway's to set`);
    if (seen.has(name.toLowerCase())) throw invalid(`${variable} sets \`${name}\` a second time`);
    seen.add(name.toLowerCase());
    return negotiated.has(name.toLowerCase()) ? [] : [Object.freeze([name, value] as const)];
  });
}

/** Often found in configurations, and the same for every MCP client: the gateway sends its own. */
const negotiated: ReadonlySet<string> = new Set(["accept", "content-type"]);

/** Headers of the connection and of the protocol, which would change whom or what a request is for. */
const framing: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Sending `${TOKEN}` itself would be a wrong password at best, and a message to nobody at worst. */
function assertExpanded(variable: string, text: string): void {
  const placeholder = /\$\{[^}]*\}/.exec(text)?.[0];
  if (placeholder !== undefined)
    throw invalid(
      `${variable} still holds \`${placeholder}\``,
      "the client did not fill it in; set that variable where the client is started",
    );
}

function invalid(message: string, hint?: string): SynapseError {
  return new SynapseError("invalid_upstream", message, { hint });
}
