import type { EffectGate, McpAnswer, McpHandle, McpRequest, McpUpstreams } from "../../core/ports.js";
import { copyJson } from "../../model/copy-json.js";
import { EffectFailedError, InvalidDataError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { mcpUse } from "../../model/mcp.js";

/**
 * The `mcp` powers of one step (SEMANTICS H5). What a request requires is computed here from the request itself,
 * whatever the action said it was.
 *
 * @param upstreams who passes requests on; undefined: nobody does.
 */
export function createMcpHandle(gate: EffectGate, upstreams: McpUpstreams | undefined): McpHandle {
  return Object.freeze({
    async request(request: McpRequest): Promise<McpAnswer> {
      const { server, method, params, implies } = readRequest(request);
      const { kind, capability } = mcpUse(server, method, params);
      const use = { kind, capabilities: [capability, ...implies], request: { server, method, params } };
      return gate.perform(use, async () => {
        if (upstreams === undefined) {
          throw new EffectFailedError("no_upstream", `there is no gateway that reaches \`${server}\``, {
            hint: "requests of this kind are made by `synapse gateway`",
          });
        }
        return upstreams.request(gate.traceId, { server, method, params, implies }, gate.signal);
      });
    },
  });
}

interface ReadRequest extends McpRequest {
  readonly params: JsonObject;
  readonly implies: readonly string[];
}

function readRequest(request: unknown): ReadRequest {
  const copy = copyJson(request);
  if (!isJsonObject(copy)) throw new InvalidDataError("$", "a request is an object");
  const { server, method, params = {}, implies = [] } = copy;
  if (typeof server !== "string" || typeof method !== "string" || !isJsonObject(params))
    throw new InvalidDataError("$", "a request has a server, a method and parameters");
  if (!Array.isArray(implies) || !implies.every((each): each is string => typeof each === "string"))
    throw new InvalidDataError("implies", "`implies` is a list of capabilities");
  return { server, method, params, implies };
}
