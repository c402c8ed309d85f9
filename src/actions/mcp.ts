import { type Action, defineAction } from "../core/action.js";
import { InvalidContextError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";
import { mcpUse } from "../model/mcp.js";

/** What the parameters of all these actions have. */
interface McpParams extends JsonObject {
  /** The server's name in the gateway's configuration. */
  readonly server: string;
  /** Capabilities that the arguments stand for, as the gateway's mapping found them. */
  readonly implies?: readonly string[];
  /** Why the gateway does not pass it on, whatever the policy says. Then it is denied as `invalid_context`. */
  readonly refused?: string;
  /** Members of the request's own parameters that are not named above, `_meta` among them. */
  readonly more?: JsonObject;
}

interface CallParams extends McpParams {
  readonly tool: string;
  readonly arguments: JsonObject;
}

interface ReadParams extends McpParams {
  readonly method: string;
  readonly uri: string;
}

interface PromptParams extends McpParams {
  readonly name: string;
  readonly arguments: JsonObject;
}

interface RequestParams extends McpParams {
  readonly method: string;
  readonly params: JsonObject;
}

const text: JsonObject = { type: "string", minLength: 1 };
const object: JsonObject = { type: "object" };
const base: JsonObject = {
  server: text,
  implies: { type: "array", items: text, maxItems: 64 },
  refused: { type: "string" },
  more: object,
};

/**
 * Requests of the Model Context Protocol, passed on by a gateway through the `mcp` handle; each gives `{result}` or
 * `{error}` as it was answered. `params` and `when` of a binding see the parameters as they stand here.
 */
export const mcpActions = Object.freeze({
  /** `{server, tool, arguments}`: `tools/call`. */
  call: mcpAction<CallParams>("mcp.call", { tool: text, arguments: object }, (params) => ({
    method: "tools/call",
    params: { ...params.more, name: params.tool, arguments: params.arguments },
  })),
  /** `{server, method, uri}`: `resources/read`, and subscribing to what it reads. */
  read: mcpAction<ReadParams>("mcp.read", { method: text, uri: text }, (params) => ({
    method: params.method,
    params: { ...params.more, uri: params.uri },
  })),
  /** `{server, name, arguments}`: `prompts/get`. */
  prompt: mcpAction<PromptParams>("mcp.prompt", { name: text, arguments: object }, (params) => ({
    method: "prompts/get",
    params: { ...params.more, name: params.name, arguments: params.arguments },
  })),
  /** `{server, method, params}`: completions, and methods that have no action of their own. */
  request: mcpAction<RequestParams>("mcp.request", { method: text, params: object }, passed),
  /** `{server, method, params}`: an upstream asks the client's model to write something. */
  sample: mcpAction<RequestParams>("mcp.sample", { method: text, params: object }, passed),
  /** `{server, method, params}`: an upstream asks the person something. */
  elicit: mcpAction<RequestParams>("mcp.elicit", { method: text, params: object }, passed),
  /** `{server, method, params}`: an upstream asks which folders the client works in. */
  roots: mcpAction<RequestParams>("mcp.roots", { method: text, params: object }, passed),
});

interface Passed {
  readonly method: string;
  readonly params: JsonObject;
}

function passed({ method, params }: RequestParams): Passed {
  return { method, params };
}

function mcpAction<P extends McpParams>(
  name: string,
  properties: JsonObject,
  requestOf: (params: P) => Passed,
): Action {
  return defineAction<P>({
    name,
    params: {
      type: "object",
      properties: { ...base, ...properties },
      required: ["server", ...Object.keys(properties)],
      additionalProperties: false,
    },
    requires: (params) => {
      if (params.refused !== undefined) throw new InvalidContextError("actionParams", params.refused);
      const { method, params: asked } = requestOf(params);
      return [mcpUse(params.server, method, asked).capability, ...(params.implies ?? [])];
    },
    replayable: true,
    run: (params, handles) =>
      handles.mcp.request({ server: params.server, ...requestOf(params), implies: params.implies }),
  });
}
