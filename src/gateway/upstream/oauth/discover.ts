import { EffectFailedError } from "../../../model/errors.js";
import type { JsonObject } from "../../../model/json.js";
import { fetchJson } from "./fetch-json.js";
import { secureUrl } from "./secure-url.js";

/** Where tokens for a server are had. */
export interface TokenEndpoint {
  readonly url: URL;
  /** How the client shows who it is there (RFC 8414, `token_endpoint_auth_methods_supported`). */
  readonly method: "client_secret_basic" | "client_secret_post";
  /** What the token has to be for: the server as it calls itself (RFC 8707). */
  readonly resource: string;
}

/**
 * Finds the token endpoint of the authorization server that the operator named, and makes sure that the MCP server
 * means the same one. A server that could name another would be told the client's secret by it.
 *
 * @param server the URL of the MCP server.
 * @param issuer of the operator's configuration.
 * @param hint where the server says that its metadata is; taken only from the server's own origin.
 * @throws EffectFailedError `upstream_oauth`
 */
export async function discover(server: URL, issuer: URL, hint: string | undefined): Promise<TokenEndpoint> {
  const resource = await resourceOf(server, issuer, hint);
  const { url, body } = await firstOf(issuerMetadataUrls(issuer), "the authorization server's metadata");
  // RFC 8414, 3.3: else one server could speak for another.
  if (body["issuer"] !== text(issuer) && body["issuer"] !== issuer.href)
    throw failed(`the metadata at \`${url.href}\` is of another issuer`);
  const endpoint = secureUrl(body["token_endpoint"]);
  if (endpoint === undefined) throw failed("its token endpoint is not a URL over https, or on this machine");
  const methods = body["token_endpoint_auth_methods_supported"];
  const posts = Array.isArray(methods) && !methods.includes("client_secret_basic");
  return { url: endpoint, method: posts ? "client_secret_post" : "client_secret_basic", resource };
}

/** RFC 9728, 3: what the MCP server says of itself. One that says nothing is what its URL is. */
async function resourceOf(server: URL, issuer: URL, hint: string | undefined): Promise<string> {
  const own = withoutFragment(server);
  const hinted = secureUrl(hint);
  const urls = [
    ...(hinted !== undefined && hinted.origin === server.origin ? [hinted] : []),
    ...wellKnown(server, "oauth-protected-resource"),
  ];
  const found = await firstOf(urls, "").catch((error: unknown) => {
    if (error instanceof NothingThere) return undefined;
    throw error;
  });
  if (found === undefined) return own;
  const { resource, authorization_servers: issuers } = found.body;
  if (typeof resource !== "string" || !isOf(server, resource))
    throw failed(`the metadata at \`${found.url.href}\` is of another server`);
  if (!Array.isArray(issuers) || !issuers.some((each) => each === text(issuer) || each === issuer.href))
    throw failed(`the server does not take tokens of \`${text(issuer)}\``);
  return resource;
}

/** RFC 8414, 3.1, and OpenID Connect Discovery, 4. */
function issuerMetadataUrls(issuer: URL): readonly URL[] {
  const openId = new URL(`${issuer.pathname.replace(/\/$/, "")}/.well-known/openid-configuration`, issuer);
  return [...wellKnown(issuer, "oauth-authorization-server"), openId];
}

/** The path of a URL goes behind the well-known one (RFC 8414, 3.1; RFC 9728, 3.1); then without it. */
function wellKnown(url: URL, name: string): readonly URL[] {
  const path = url.pathname === "/" ? "" : url.pathname.replace(/\/$/, "");
  const at = (more: string): URL => new URL(`/.well-known/${name}${more}`, url);
  return path === "" || name === "oauth-authorization-server" ? [at(path)] : [at(path), at("")];
}

class NothingThere extends EffectFailedError {}

async function firstOf(urls: readonly URL[], what: string): Promise<{ url: URL; body: JsonObject }> {
  for (const url of urls) {
    const { status, body } = await fetchJson(url);
    if (status === 200 && body !== undefined) return { url, body };
    if (status >= 500) throw failed(`\`${url.href}\` answered with status ${status}`);
  }
  throw new NothingThere("upstream_oauth", `${what} is not where it has to be (${urls.at(-1)?.href ?? ""})`);
}

/** A server may call itself by its whole URL, or by what several servers of one host have in common. */
function isOf(server: URL, resource: string): boolean {
  const named = secureUrl(resource);
  if (named === undefined || named.origin !== server.origin) return false;
  const path = named.pathname.replace(/\/$/, "");
  return server.pathname === path || server.pathname.startsWith(`${path}/`);
}

/** An issuer as it is compared, character by character: without the slash that a URL of a bare host gets. */
function text(issuer: URL): string {
  return issuer.pathname === "/" ? issuer.origin : issuer.href;
}

function withoutFragment(server: URL): string {
  const url = new URL(server);
  url.hash = "";
  return url.href;
}

function failed(message: string): EffectFailedError {
  return new EffectFailedError("upstream_oauth", message);
}
