import { capability } from "./capability/index.js";
import { CapabilitySyntaxError } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** What a request of the Model Context Protocol is to the guard: the action that it is, and what that requires. */
export interface McpUse {
  /** Name of the built-in action, which is also the kind of its effect. */
  readonly kind:
    "mcp.call" | "mcp.read" | "mcp.prompt" | "mcp.sample" | "mcp.elicit" | "mcp.roots" | "mcp.request";
  /** Canonical capability text. */
  readonly capability: string;
}

/**
 * Which capability a request requires. Names and URIs are single escaped segments (SEMANTICS C7), so a tool that is
 * called `*` is just that. What no line here knows requires a capability of its own, `mcp:request:<server>/<method>`.
 *
 * @throws CapabilitySyntaxError when the request does not say what it is about, or says it in a way that no
 *   capability can name: that is a denial.
 */
export function mcpUse(server: string, method: string, params: JsonObject): McpUse {
  switch (method) {
    case "tools/call":
      return { kind: "mcp.call", capability: capability("mcp", "call", server, text(params, "name")) };
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return { kind: "mcp.read", capability: capability("mcp", "read", server, text(params, "uri")) };
    case "prompts/get":
      return { kind: "mcp.prompt", capability: capability("mcp", "prompt", server, text(params, "name")) };
    case "completion/complete":
      return completion(server, params);
    case "sampling/createMessage":
      return { kind: "mcp.sample", capability: capability("mcp", "sample", server) };
    case "elicitation/create":
      return { kind: "mcp.elicit", capability: capability("mcp", "elicit", server) };
    case "roots/list":
      return { kind: "mcp.roots", capability: capability("mcp", "roots", server) };
    default:
      return { kind: "mcp.request", capability: capability("mcp", "request", server, method) };
  }
}

/** Suggestions for an argument tell of the prompt or the resource, so they take the same as that. */
function completion(server: string, params: JsonObject): McpUse {
  const { ref } = params;
  if (isJsonObject(ref) && ref["type"] === "ref/prompt")
    return { kind: "mcp.prompt", capability: capability("mcp", "prompt", server, text(ref, "name")) };
  if (isJsonObject(ref) && ref["type"] === "ref/resource")
    return { kind: "mcp.read", capability: capability("mcp", "read", server, text(ref, "uri")) };
  throw missing("ref");
}

function text(params: JsonObject, member: string): string {
  const value = params[member];
  if (typeof value === "string" && value !== "") return value;
  throw missing(member);
}

function missing(member: string): CapabilitySyntaxError {
  return new CapabilitySyntaxError({
    input: "",
    position: 0,
    found: "nothing",
    expected: `\`${member}\` to say what the request is about`,
  });
}
