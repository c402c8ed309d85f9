import { defineAction } from "../core/action.js";
import type { HttpRequest } from "../core/ports.js";
import { capability } from "../model/capability/index.js";
import type { JsonObject } from "../model/json.js";
import { bytesSchema } from "./schemas.js";

type RequestParams = HttpRequest & JsonObject;

/** HTTP through the `net` handle (SEMANTICS H4). */
export const httpActions = Object.freeze({
  /** `{url, method?, headers?, body?}` gives `{status, headers, text}`, or `bytes` for a body that is not UTF-8. */
  request: defineAction<RequestParams>({
    name: "http.request",
    params: {
      type: "object",
      properties: {
        url: { type: "string", minLength: 1, maxLength: 8_192 },
        method: { type: "string", pattern: "^[A-Za-z]{1,16}$" },
        headers: { type: "object", additionalProperties: { type: "string" } },
        body: { anyOf: [{ type: "string" }, bytesSchema] },
      },
      required: ["url"],
      additionalProperties: false,
    },
    prepare: (params) => ({ ...params, method: (params.method ?? "GET").toUpperCase() }),
    requires: (params) => capability("net", "http", params.method ?? "GET", params.url),
    replayable: true,
    run: (params, handles) => handles.http.request(params),
  }),
});
