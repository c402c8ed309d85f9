import type { JsonObject } from "../../../model/json.js";

/** Where clients look for it (RFC 9728, 3.1). */
export const wellKnown = "/.well-known/oauth-protected-resource";

/** The path of the one endpoint. */
export const endpoint = "/mcp";

/**
 * What a client has to know to get a token (RFC 9728, 2; MCP, authorization).
 *
 * @param audience the resource identifier: what tokens have to be for.
 * @param issuers of an OAuth provider; own tokens are handed out by the operator, and no server issues them.
 */
export function resourceMetadata(audience: string, issuers: readonly string[]): JsonObject {
  return {
    resource: audience,
    ...(issuers.length === 0 ? {} : { authorization_servers: [...issuers] }),
    bearer_methods_supported: ["header"],
    resource_name: "Synapse gateway",
  };
}

/** The URL of the metadata: the well-known path goes between the host and the path of the audience (RFC 9728, 3.1). */
export function metadataUrl(audience: string): string {
  const { origin, pathname, search } = new URL(audience);
  return `${origin}${wellKnown}${pathname === "/" ? "" : pathname}${search}`;
}

/** Whether a path is that of the metadata: alone, or with the path of the audience or of the endpoint behind it. */
export function isMetadataPath(path: string, audience: string): boolean {
  return [wellKnown, wellKnown + endpoint, new URL(metadataUrl(audience)).pathname].includes(path);
}
