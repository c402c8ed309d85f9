import { SynapseError } from "../../model/errors.js";
import { formatInstant, parseExpiry } from "../../model/time.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";

interface TokenIssueOptions extends CommonOptions {
  readonly agent: string;
  readonly expires: string;
  readonly audience: string;
}

/** `synapse token issue`: the token alone on standard output, so that a script can take it. */
export const execute: Execute<TokenIssueOptions> = async (context, _operands, options) => {
  const issuedAt = Date.now();
  const expiresAt = parseExpiry(options.expires, issuedAt);
  if (context.database === ":memory:")
    throw new SynapseError("usage", "a token needs a database that stays, and not `:memory:`", {
      hint: "give a file with --db",
    });
  const { issueToken } = await import("../../gateway/tokens/issue-token.js");
  const { tokenKey } = await import("../../gateway/tokens/token-key.js");
  const issued = await withPipeline(context, { create: false }, async ({ audit }) => {
    const { agent: agentId, audience } = options;
    const made = await issueToken(await tokenKey(context.database), {
      agentId,
      audience,
      issuedAt,
      expiresAt,
    });
    // On record before anybody can use it.
    await audit.emitEvent("x_token_issued", {
      agent_id: agentId,
      token_id: made.tokenId,
      audience,
      expires_at: formatInstant(made.expiresAt),
    });
    return made;
  });
  const until = formatInstant(issued.expiresAt);
  if (context.json) {
    context.document({
      token: issued.token,
      token_id: issued.tokenId,
      agent_id: issued.agentId,
      audience: issued.audience,
      issuer: issued.issuer,
      expires_at: until,
    });
    return exitCode.done;
  }
  context.out.line(issued.token);
  context.note(`for ${issued.agentId} at ${issued.audience}, until ${until}; keep it as you keep a password`);
  return exitCode.done;
};
