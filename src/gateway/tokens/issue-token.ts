import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { SynapseError } from "../../model/errors.js";
import { isIdentifier } from "../../model/identifier.js";
import type { TokenKey } from "./token-key.js";

export interface IssuedToken {
  /** A JWT (RFC 9068, `at+jwt`), signed with Ed25519. Whoever has it is the agent. */
  readonly token: string;
  readonly tokenId: string;
  readonly agentId: string;
  readonly audience: string;
  readonly issuer: string;
  /** Milliseconds since the Unix epoch, whole seconds. */
  readonly expiresAt: number;
}

/** Nobody notices the loss of a token that lives for years. */
const lifetimeMsMax = 90 * 24 * 60 * 60 * 1_000;

/**
 * @param request `audience`: the gateway's own URL, exactly as the gateway is told it; `issuedAt`, `expiresAt`:
 * milliseconds since the Unix epoch, cut to whole seconds.
 * @throws SynapseError `invalid_token_request`.
 */
export async function issueToken(
  key: TokenKey,
  request: {
    readonly agentId: string;
    readonly audience: string;
    readonly issuedAt: number;
    readonly expiresAt: number;
  },
): Promise<IssuedToken> {
  const { agentId, audience } = request;
  if (!isIdentifier(agentId)) throw invalid(`\`${String(agentId)}\` is not an agent id`);
  if (!isAudience(audience)) throw invalid(`the audience \`${audience}\` is not an http or https URL`);
  const issuedAt = Math.floor(request.issuedAt / 1_000);
  const expiresAt = Math.floor(request.expiresAt / 1_000);
  if (!(expiresAt > issuedAt)) throw invalid("the token would have expired before it is issued");
  if (request.expiresAt - request.issuedAt > lifetimeMsMax)
    throw invalid("a token lives for at most 90 days");
  const tokenId = randomUUID();
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: key.id })
    .setIssuer(key.issuer)
    .setSubject(agentId)
    .setAudience(audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .setJti(tokenId)
    .sign(key.privateKey);
  return Object.freeze({
    token,
    tokenId,
    agentId,
    audience,
    issuer: key.issuer,
    expiresAt: expiresAt * 1_000,
  });
}

/** A resource identifier (RFC 8707): an absolute URL without a fragment. */
export function isAudience(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && !text.includes("#") && text.length <= 1_024;
}

function invalid(message: string): SynapseError {
  return new SynapseError("invalid_token_request", message, {
    hint: "synapse token issue --help shows how it is used",
  });
}
