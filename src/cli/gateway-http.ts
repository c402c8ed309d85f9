import { BlockList, isIP } from "node:net";
import { SynapseError } from "../model/errors.js";
import type { GatewayConfig } from "../gateway/config/config-file.js";
import { HttpDoor } from "../gateway/front/http/http-door.js";
import { endpoint } from "../gateway/front/http/resource-metadata.js";
import type { Gateway } from "../gateway/gateway.js";
import { tokenKey } from "../gateway/tokens/token-key.js";
import { oauthIssuer, ownIssuer, type TrustedIssuer } from "../gateway/tokens/trusted-issuer.js";
import { tokenVerifier } from "../gateway/tokens/verify-token.js";
import type { ListenAddress } from "./arguments.js";
import type { CommandContext } from "./context.js";

export interface HttpOptions {
  readonly http?: ListenAddress | undefined;
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  readonly jwks?: string | undefined;
  readonly agentClaim?: string | undefined;
  readonly allowHost?: readonly string[] | undefined;
  readonly allowOrigin?: readonly string[] | undefined;
}

/** What `--http` and its company come to. */
export interface HttpSettings {
  readonly at: ListenAddress;
  readonly audience: string | undefined;
  readonly provider: TrustedIssuer | undefined;
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
}

/** @throws SynapseError `usage`, `invalid_issuer` */
export function httpSettings(
  { database }: CommandContext,
  options: HttpOptions & { readonly http: ListenAddress },
): HttpSettings {
  const { http, audience, issuer, jwks, agentClaim, allowHost = [], allowOrigin = [] } = options;
  if (database === ":memory:") throw usage("tokens need a database that stays", "give a file with --db");
  if ((issuer === undefined) !== (jwks === undefined))
    throw usage(
      "--issuer and --jwks go together",
      "--issuer is `iss` of the tokens, --jwks where the keys are",
    );
  if (agentClaim !== undefined && issuer === undefined)
    throw usage("--agent-claim is about the tokens of a provider", "name it with --issuer and --jwks");
  if (audience === undefined && (isAnyAddress(http.host) || http.port === 0))
    throw usage(
      "clients reach the gateway under another address than this one",
      "say which with --audience http://HOST:PORT; tokens have to be for exactly that",
    );
  const provider =
    issuer === undefined || jwks === undefined
      ? undefined
      : oauthIssuer({ issuer, jwks, ...(agentClaim === undefined ? {} : { agentClaim }) });
  return Object.freeze({ at: http, audience, provider, hosts: allowHost, origins: allowOrigin });
}

/**
 * Serves until the command is told to end.
 *
 * @throws SynapseError `cannot_listen`
 */
export async function serveHttp(
  context: CommandContext,
  { at, audience: given, provider, hosts, origins }: HttpSettings,
  gateway: Gateway,
  { message }: GatewayConfig,
  log: (server: string, text: string) => void,
): Promise<void> {
  const own = ownIssuer(await tokenKey(context.database));
  const now = (): number => Date.now();
  const audience = given ?? urlOf(at);
  const door = await HttpDoor.open(
    {
      verifier: tokenVerifier({ audience, issuers: provider === undefined ? [own] : [own, provider], now }),
      audience,
      issuers: provider === undefined ? [] : [provider.issuer],
      // A name that the operator listens on is one that the operator means.
      allowed: { hosts: [...hosts, ...(isIP(at.host) === 0 ? [at.host.toLowerCase()] : [])], origins },
      message,
      now,
      isSuspended: (agentId) => gateway.isSuspended(agentId),
      accept: (front, agentId) => void gateway.accept(front, agentId),
      log: (text) => log("http", text),
    },
    at,
  ).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SynapseError("cannot_listen", `nothing can listen there: ${why}`, {
      hint: "another port, or an address of this machine",
      cause,
    });
  });
  tell(context, at, audience, door.port);
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  door.refuseSessions();
  // Sessions first: what waits is answered on connections that still stand.
  await gateway.close("the gateway was told to end");
  await door.close();
}

function tell(context: CommandContext, at: ListenAddress, audience: string, port: number): void {
  const url = urlOf({ ...at, port }) + endpoint;
  if (context.json) context.document({ listening: url, audience });
  else context.note(`listening on ${url}, for tokens with the audience ${audience}`);
  if (!isLoopback(at.host))
    context.note(
      "anybody who reaches this machine may knock, and there is no TLS here: whoever sees a token pass by has it; put a proxy with TLS in front",
    );
}

function urlOf({ host, port }: ListenAddress): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  const kind = isIP(host);
  return kind === 0 ? host === "localhost" : loopback.check(host, kind === 6 ? "ipv6" : "ipv4");
}

/** All addresses of the machine, so none that a client could name. */
function isAnyAddress(host: string): boolean {
  return isIP(host) !== 0 && /^[0:.]+$/.test(host);
}

function usage(message: string, hint: string): SynapseError {
  return new SynapseError("usage", message, { hint });
}
