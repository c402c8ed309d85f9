import { join } from "node:path";
import { HttpDoor } from "../../../src/gateway/front/http/http-door.js";
import type { HttpLimits } from "../../../src/gateway/front/http/limits.js";
import { issueToken } from "../../../src/gateway/tokens/issue-token.js";
import { tokenKey } from "../../../src/gateway/tokens/token-key.js";
import { ownIssuer, type TrustedIssuer } from "../../../src/gateway/tokens/trusted-issuer.js";
import { tokenVerifier } from "../../../src/gateway/tokens/verify-token.js";
import type { JsonObject } from "../../../src/model/json.js";
import { type Bench, type Grant, openBench } from "../bench.js";
import { HttpClient } from "./http-client.js";

export const audience = "http://gateway.test";

export interface HttpBench extends Bench {
  readonly door: HttpDoor;
  readonly url: string;
  /** Moves the door's clock, ms. */
  later(ms: number): void;
  token(agentId?: string, facts?: { audience?: string; forMs?: number }): Promise<string>;
  client(token?: string): Promise<HttpClient>;
}

/** A gateway on a real port. */
export async function openHttpBench(
  config: JsonObject,
  grants: readonly Grant[] = [],
  limits: Partial<HttpLimits> = {},
  allowed: { hosts?: readonly string[]; origins?: readonly string[] } = {},
  providers: readonly TrustedIssuer[] = [],
): Promise<HttpBench> {
  const bench = await openBench(config, grants);
  const key = await tokenKey(join(bench.folder, "log/synapse.db"));
  let skew = 0;
  const now = (): number => Date.now() + skew;
  const door = await HttpDoor.open(
    {
      verifier: tokenVerifier({ audience, issuers: [ownIssuer(key), ...providers], now }),
      audience,
      issuers: ["https://issuer.test"],
      allowed: { hosts: [], origins: [], ...allowed },
      message: { bytesMax: 1024 * 1024, depthMax: 64 },
      limits,
      now,
      isSuspended: (agentId) => bench.gateway.isSuspended(agentId),
      accept: (front, agentId) => void bench.gateway.accept(front, agentId),
      log: (text) => void bench.logged.push(`http: ${text}`),
    },
    { host: "127.0.0.1", port: 0 },
  );
  const url = `http://127.0.0.1:${door.port}/mcp`;
  const token: HttpBench["token"] = async (agentId = "assistant", facts = {}) => {
    const issuedAt = Date.now();
    const { forMs = 3_600_000 } = facts;
    const request = { agentId, audience: facts.audience ?? audience, issuedAt, expiresAt: issuedAt + forMs };
    return (await issueToken(key, request)).token;
  };
  return {
    ...bench,
    door,
    url,
    later: (ms) => void (skew += ms),
    token,
    client: async (own) => new HttpClient(url, own ?? (await token())),
    async close() {
      door.refuseSessions();
      await bench.gateway.close("the test is over");
      await door.close();
      await bench.close();
    },
  };
}
