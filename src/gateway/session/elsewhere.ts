import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { rpcCode, rpcError, type RpcRequest, type RpcResponse } from "../protocol/json-rpc.js";
import { spokenVersions, supportedVersions } from "../protocol/versions.js";
import type { Upstream } from "./upstream.js";

/** A server that has no `initialize`, and the revisions that it names instead. */
export interface Elsewhere {
  readonly upstream: Upstream;
  readonly spoken: readonly string[];
}

/**
 * Whether a server that could not be initialized speaks other revisions alone (MCP 2026-07-28, versioning).
 *
 * @param response to `initialize`; undefined: there was none.
 */
export async function elsewhere(
  upstream: Upstream,
  response: RpcResponse | undefined,
): Promise<Elsewhere | undefined> {
  // A program that ended has nothing to say, and is not started again to be asked.
  if (isJsonObject(response?.["result"])) return undefined;
  if (response === undefined && upstream.server.transport.kind === "stdio") return undefined;
  const named = response === undefined ? [] : spokenVersions(response);
  const spoken = (named.length > 0 ? named : await askedOf(upstream)).filter(
    (each) => !supportedVersions.includes(each),
  );
  return spoken.length === 0 ? undefined : { upstream, spoken };
}

async function askedOf(upstream: Upstream): Promise<readonly string[]> {
  try {
    return (await upstream.connection.discover()).spoken;
  } catch (error) {
    if (error instanceof EffectFailedError) return [];
    throw error;
  }
}

/** For a client that has no way to go on from here: it may be all that its user gets to see. */
export function elsewhereAnswer(
  { id }: RpcRequest,
  found: readonly Elsewhere[],
  requested: JsonValue | undefined,
): JsonObject {
  const servers = found
    .map(({ upstream, spoken }) => `${upstream.name} speaks ${spoken.join(", ")}`)
    .join("; ");
  const text = `no revision is spoken on both sides: ${servers}; this client asked for \`initialize\`, which is up to ${supportedVersions.at(-1) ?? ""}`;
  const supported = [...new Set(found.flatMap(({ spoken }) => spoken))];
  return rpcError(id, rpcCode.unsupportedVersion, text, { supported, requested: requested ?? null });
}
