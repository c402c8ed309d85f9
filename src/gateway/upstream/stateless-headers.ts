import type { JsonObject, JsonValue } from "../../model/json.js";
import { claimOf } from "../protocol/envelope.js";
import { encodeHeaderValue } from "../protocol/header-value.js";
import { paramsOf } from "../protocol/json-rpc.js";
import { namedBy } from "../protocol/named-by.js";

/** The headers that mirror a request, made of the request as it is sent: of names as its server knows them. */
export function statelessHeaders(message: JsonObject): Record<string, string> {
  const method = textIn(message["method"]);
  const member = Object.hasOwn(namedBy, method) ? namedBy[method] : undefined;
  const name = member === undefined ? undefined : paramsOf(message)[member];
  return {
    "mcp-protocol-version": textIn(claimOf(message)),
    "mcp-method": encodeHeaderValue(method),
    ...(typeof name === "string" ? { "mcp-name": encodeHeaderValue(name) } : {}),
  };
}

function textIn(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
