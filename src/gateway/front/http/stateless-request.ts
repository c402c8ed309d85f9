import type { IncomingMessage } from "node:http";
import { HttpRefusal } from "../../../model/errors.js";
import { claimOf, envelopeFault, statelessVersion } from "../../protocol/envelope.js";
import { decodeHeaderValue } from "../../protocol/header-value.js";
import { paramsOf, rpcCode, type RpcMessage, type RpcRequest } from "../../protocol/json-rpc.js";
import { namedBy } from "../../protocol/named-by.js";

type Message = Exclude<RpcMessage, { kind: "malformed" }>;

/** `MCP-Protocol-Version`, as it came. */
export function versionHeader({ headers }: IncomingMessage): string | undefined {
  const version = headers["mcp-protocol-version"];
  return typeof version === "string" ? version : undefined;
}

/**
 * Whether a message of a POST is of the stateless revision. The body decides, and headers that mirror it have to say the
 * same (MCP 2026-07-28, server validation): who stands in between may have judged the request by its headers.
 *
 * @throws HttpRefusal `header_mismatch` (-32020), `envelope_invalid` (-32602), `unsupported_version` (-32022)
 */
export function isStateless(read: Message, request: IncomingMessage): boolean {
  const version = versionHeader(request);
  const claim = read.kind === "response" ? undefined : claimOf(read.message);
  if (read.kind === "request") return isStatelessRequest(read.message, claim, version, request);
  if (claim !== undefined && claim !== version) throw mismatch(read, "MCP-Protocol-Version");
  return read.kind === "notification" && version === statelessVersion;
}

function isStatelessRequest(
  message: RpcRequest,
  claim: ReturnType<typeof claimOf>,
  version: string | undefined,
  request: IncomingMessage,
): boolean {
  const read = { kind: "request", message } as const;
  if (message.method === "initialize") {
    if (version === statelessVersion) throw mismatch(read, "MCP-Protocol-Version");
    return false;
  }
  if (claim === undefined) {
    if (version !== statelessVersion) return false;
    throw new HttpRefusal(
      400,
      "envelope_invalid",
      `each request of ${statelessVersion} has to say so in \`_meta\``,
      {},
      { code: rpcCode.invalidParams, id: message.id },
    );
  }
  const fault = envelopeFault(message, claim);
  // A claim that is not text cannot be compared.
  if (claim !== version && typeof claim === "string") throw mismatch(read, "MCP-Protocol-Version");
  if (fault !== undefined) {
    const reason = fault.code === rpcCode.unsupportedVersion ? "unsupported_version" : "envelope_invalid";
    const { code, data } = fault;
    const rpc = { code, id: message.id, ...(data === undefined ? {} : { data }) };
    throw new HttpRefusal(400, reason, fault.message, {}, rpc);
  }
  assertMirrors(message, request);
  return true;
}

function assertMirrors(message: RpcRequest, { headers }: IncomingMessage): void {
  const read = { kind: "request", message } as const;
  if (decoded(headers["mcp-method"]) !== message.method) throw mismatch(read, "Mcp-Method");
  const member = Object.hasOwn(namedBy, message.method) ? namedBy[message.method] : undefined;
  if (member === undefined) return;
  const name = paramsOf(message)[member];
  const given = headers["mcp-name"];
  if (name === undefined && given === undefined) return;
  if (decoded(given) !== name) throw mismatch(read, "Mcp-Name");
}

/** Headers that came more than once are joined by Node, and so say nothing that a body says. */
function decoded(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? decodeHeaderValue(value) : undefined;
}

function mismatch(read: Message, header: string): HttpRefusal {
  const id = read.kind === "request" ? read.message.id : undefined;
  return new HttpRefusal(
    400,
    "header_mismatch",
    `the header ${header} and the body disagree; the headers have to say what the body says`,
    {},
    { code: rpcCode.headerMismatch, ...(id === undefined ? {} : { id }) },
  );
}

/** `Mcp-Param-…`, by their name in lower case. What they mirror is for whoever knows the tool. */
export function argumentHeaders({ headers }: IncomingMessage): ReadonlyMap<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith("mcp-param-"));
  return new Map(own.map(([name, value]) => [name, String(value)]));
}
