import { isJsonObject, type JsonObject } from "../../model/json.js";
import { metaKey, statelessVersion } from "../protocol/envelope.js";
import { type RpcRequest, rpcResult } from "../protocol/json-rpc.js";
import { announcing, jointly } from "./initialization.js";
import type { Upstream } from "./upstream.js";

/** The answer to `server/discover`: one server's own words, or what several of them have together. */
export function answerDiscover(
  { id }: RpcRequest,
  upstreams: readonly Upstream[],
  gateway: { readonly name: string; readonly version: string },
): JsonObject {
  const [first] = upstreams;
  const said: JsonObject =
    upstreams.length === 1
      ? (first?.connection.initialized ?? {})
      : { ...jointly(upstreams), _meta: { [metaKey.serverInfo]: gateway } };
  const times = upstreams.map(({ connection }) => connection.initialized["ttlMs"]);
  const { capabilities } = said;
  return rpcResult(id, {
    ...said,
    resultType: "complete",
    supportedVersions: [statelessVersion],
    capabilities: announcing(isJsonObject(capabilities) ? capabilities : {}),
    ttlMs: Math.min(...times.map((each) => (typeof each === "number" && each >= 0 ? each : 0))),
    // It is another one than that of the server.
    cacheScope: "private",
  });
}
