import { type Capability, capability, parseCapability } from "../../model/capability/index.js";

/**
 * The resources of a server that a template (RFC 6570) may come to: each expression stands for anything. Its literal
 * parts are escaped, so that what a server writes in a template is never a wildcard by itself (SEMANTICS C7).
 *
 * @throws CapabilitySyntaxError for a template that no capability can name.
 */
export function resourcesOf(server: string, template: string): Capability {
  const pattern = template
    .split(/(?:\{[^{}]*\})+/)
    .map((literal) => literal.replace(/[\\*/]/g, "\\$&"))
    .join("*");
  return parseCapability(`${capability("mcp", "read", server)}/${pattern}`);
}
