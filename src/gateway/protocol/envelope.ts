import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { paramsOf, rpcCode, rpcError, type RequestId } from "./json-rpc.js";

/** The stateless revision: there is no handshake, every request says what it is (MCP 2026-07-28, basic). */
export const statelessVersion = "2026-07-28";

/** Reserved keys of `_meta` (MCP 2026-07-28, basic, general fields). */
export const metaKey = Object.freeze({
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  logLevel: "io.modelcontextprotocol/logLevel",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
  serverInfo: "io.modelcontextprotocol/serverInfo",
});

/** `_meta` of parameters or of a result; `{}` when there is none. */
export function metaOf(holder: JsonObject): JsonObject {
  const { _meta } = holder;
  return isJsonObject(_meta) ? _meta : {};
}

/** The same, with members of `_meta` added or replaced. */
export function withMeta(holder: JsonObject, more: JsonObject): JsonObject {
  return { ...holder, _meta: { ...metaOf(holder), ...more } };
}

/** The revision that a message says it is of; undefined: it says nothing, so it is of one with `initialize`. */
export function claimOf(message: JsonObject): JsonValue | undefined {
  return metaOf(paramsOf(message))[metaKey.protocolVersion];
}

/** What the client of a request can do, as the request says it. */
export function clientCapabilitiesOf(request: JsonObject): JsonObject {
  const capabilities = metaOf(paramsOf(request))[metaKey.clientCapabilities];
  return isJsonObject(capabilities) ? capabilities : {};
}

/**
 * What a request has to say of itself, of what another request said: for what the gateway asks a server in its name.
 */
export function envelopeOf(request: JsonObject): JsonObject {
  const meta = metaOf(paramsOf(request));
  const keys = [metaKey.protocolVersion, metaKey.clientInfo, metaKey.clientCapabilities];
  return Object.fromEntries(
    keys.flatMap((key) => (meta[key] === undefined ? [] : [[key, meta[key]] as const])),
  );
}

/** What the gateway says of itself where it asks for itself: it can answer no questions. */
export function ownEnvelope(gateway: JsonObject): JsonObject {
  return {
    [metaKey.protocolVersion]: statelessVersion,
    [metaKey.clientInfo]: gateway,
    [metaKey.clientCapabilities]: {},
  };
}

/** A JSON-RPC error, before it is the answer to anything. */
export interface EnvelopeFault {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonObject;
}

/**
 * What is wrong with the envelope of a request that claims a revision; undefined: nothing.
 *
 * @param claim a request without one is of no business of this function.
 */
export function envelopeFault(request: JsonObject, claim: JsonValue): EnvelopeFault | undefined {
  if (typeof claim !== "string") return invalid(`\`${metaKey.protocolVersion}\` is not text`);
  if (claim !== statelessVersion) {
    const data = { supported: [statelessVersion], requested: claim };
    return { code: rpcCode.unsupportedVersion, message: "this revision is not spoken here", data };
  }
  if (!isJsonObject(metaOf(paramsOf(request))[metaKey.clientCapabilities]))
    return invalid(`\`_meta\` has to have an object \`${metaKey.clientCapabilities}\``);
  return undefined;
}

export function faultAnswer(id: RequestId, { code, message, data }: EnvelopeFault): JsonObject {
  return rpcError(id, code, message, data);
}

function invalid(message: string): EnvelopeFault {
  return { code: rpcCode.invalidParams, message };
}
