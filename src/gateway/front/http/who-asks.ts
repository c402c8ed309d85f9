import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TokenError } from "../../../model/errors.js";
import { bearerToken, type TokenVerifier } from "../../tokens/verify-token.js";
import type { Owner } from "./http-sessions.js";

/**
 * Who a request is from: asked of every request anew, so that nothing outlives its token.
 *
 * @param isSuspended of an agent, now.
 * @throws TokenError
 */
export async function whoAsks(
  request: IncomingMessage,
  verifier: TokenVerifier,
  isSuspended: (agentId: string) => boolean,
): Promise<Owner> {
  const token = bearerToken(request.headers.authorization);
  const holder = await verifier.verify(token);
  if (isSuspended(holder.agentId))
    throw new TokenError("agent_suspended", `the agent \`${holder.agentId}\` is suspended`, {
      hint: `synapse unsuspend --agent ${holder.agentId}`,
    });
  return { ...holder, tokenKey: createHash("sha256").update(token).digest("base64url") };
}
