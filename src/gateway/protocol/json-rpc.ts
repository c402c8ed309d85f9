import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";

/** What a request is known by. `1` and `"1"` are two ids. */
export type RequestId = string | number;

export interface RpcRequest extends JsonObject {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
  readonly method: string;
}

export interface RpcNotification extends JsonObject {
  readonly jsonrpc: "2.0";
  readonly method: string;
}

/** `result`, or `error`. */
export interface RpcResponse extends JsonObject {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
}

export type RpcMessage =
  | { readonly kind: "request"; readonly message: RpcRequest }
  | { readonly kind: "notification"; readonly message: RpcNotification }
  | { readonly kind: "response"; readonly message: RpcResponse }
  /** Not a message; `id` when it can be told which request it was meant to be. */
  | { readonly kind: "malformed"; readonly id: RequestId | undefined; readonly why: string };

/** Codes of JSON-RPC 2.0, of MCP, and, from -32001 on, of this gateway (docs/gateway.md). */
export const rpcCode = Object.freeze({
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internalError: -32_603,
  /** The gateway cannot do it now: too many requests, or the upstream is gone. */
  unavailable: -32_000,
  /** The guard said no. */
  denied: -32_001,
  /** MCP 2026-07-28, HeaderMismatch. */
  headerMismatch: -32_020,
  /** MCP 2026-07-28, UnsupportedProtocolVersion. */
  unsupportedVersion: -32_022,
});

const idCharactersMax = 1_024;

/** Told apart by what they have (JSON-RPC 2.0, 4 and 5; MCP: an id is text or a whole number, never null). */
export function readRpcMessage(value: JsonValue): RpcMessage {
  if (Array.isArray(value)) return malformed(undefined, "batches are not a part of this protocol");
  if (!isJsonObject(value)) return malformed(undefined, "a message is an object");
  const { id, method, jsonrpc, params } = value;
  const known = isRequestId(id) ? id : undefined;
  if (jsonrpc !== "2.0") return malformed(known, "`jsonrpc` is not `2.0`");
  if (id !== undefined && known === undefined)
    return malformed(undefined, "an `id` is text, or a whole number below 2^53");
  if (method === undefined) return readResponse(value, known);
  if (typeof method !== "string" || method === "") return malformed(known, "`method` is not text");
  if ("result" in value || "error" in value) return malformed(known, "a request has no result");
  if (params !== undefined && !isJsonObject(params)) return malformed(known, "`params` is not an object");
  if (known === undefined) return { kind: "notification", message: value as RpcNotification };
  return { kind: "request", message: value as RpcRequest };
}

function readResponse(value: JsonObject, id: RequestId | undefined): RpcMessage {
  const hasResult = "result" in value;
  if (hasResult === "error" in value)
    return malformed(id, "a message is a request, or has a result or an error");
  if (id === undefined) return malformed(undefined, "a response has an `id`");
  if (!isJsonObject(hasResult ? value["result"] : value["error"]))
    return malformed(id, "a result, or an error, is an object");
  return { kind: "response", message: value as RpcResponse };
}

function malformed(id: RequestId | undefined, why: string): RpcMessage {
  return { kind: "malformed", id, why };
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === "string" ? value.length <= idCharactersMax : Number.isSafeInteger(value);
}

/** Keys for maps of ids: text and numbers never meet. */
export function idKey(id: RequestId): string {
  return typeof id === "string" ? `s${id}` : `n${id}`;
}

export function rpcError(id: RequestId | null, code: number, message: string, data?: JsonValue): JsonObject {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}

export function rpcResult(id: RequestId, result: JsonValue): JsonObject {
  return { jsonrpc: "2.0", id, result };
}

/** The parameters of a request or notification; `{}` when it has none. */
export function paramsOf(message: JsonObject): JsonObject {
  const { params } = message;
  return isJsonObject(params) ? params : {};
}

/** `progressToken` of a request that wants to hear how it goes; undefined when it does not. */
export function progressTokenOf(params: JsonObject): RequestId | undefined {
  const meta = params["_meta"];
  const token = isJsonObject(meta) ? meta["progressToken"] : undefined;
  return isRequestId(token) ? token : undefined;
}
