import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import {
  paramsOf,
  rpcCode,
  rpcError,
  type RpcRequest,
  type RpcResponse,
  rpcResult,
} from "../protocol/json-rpc.js";
import { askedVersion, sharedVersion } from "../protocol/versions.js";
import { elsewhere, elsewhereAnswer } from "./elsewhere.js";
import type { Upstream } from "./upstream.js";

/**
 * Initializes all servers with what the client said, and answers it: with one server's own words, or with what
 * several of them have together.
 *
 * @param log for the operator: which servers are not there.
 * @returns the answer; an error when no server can be reached.
 */
export async function answerInitialize(
  request: RpcRequest,
  upstreams: readonly Upstream[],
  gateway: { readonly name: string; readonly version: string },
  log: (server: string, text: string) => void,
): Promise<JsonObject> {
  const params = paramsOf(request);
  // A client of a later revision is answered with one that both sides speak: it goes on with that, or leaves.
  const asked = { ...params, protocolVersion: askedVersion(params["protocolVersion"]) };
  const answers = await Promise.all(
    upstreams.map(async (upstream) => {
      const response = await initialized(upstream, asked, log);
      return { upstream, response, other: await elsewhere(upstream, response) };
    }),
  );
  const others = answers.flatMap(({ other }) => (other === undefined ? [] : [other]));
  for (const { upstream, spoken } of others)
    log(upstream.name, `it speaks ${spoken.join(", ")} alone, and its client asks for \`initialize\``);
  if (others.length === answers.length) return elsewhereAnswer(request, others, params["protocolVersion"]);
  const [first] = answers;
  if (answers.length === 1 && first?.response !== undefined) return ofOne(request, first.response);
  const there = answers.filter(({ response }) => isJsonObject(response?.["result"]));
  if (there.length === 0) {
    const names = upstreams.map(({ name }) => name).join(", ");
    return rpcError(request.id, rpcCode.unavailable, `no MCP server could be initialized (${names})`);
  }
  return rpcResult(
    request.id,
    ofSeveral(
      there.map(({ upstream }) => upstream),
      gateway,
    ),
  );
}

/** Undefined: it is not there. */
async function initialized(
  { name, connection }: Upstream,
  asked: JsonObject,
  log: (server: string, text: string) => void,
): Promise<RpcResponse | undefined> {
  try {
    return await connection.initialize(asked);
  } catch (error) {
    if (!(error instanceof EffectFailedError)) throw error;
    log(name, error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
    return undefined;
  }
}

function ofOne(request: RpcRequest, response: RpcResponse): JsonObject {
  const { result } = response;
  if (!isJsonObject(result)) return { ...response, id: request.id };
  const capabilities = isJsonObject(result["capabilities"]) ? result["capabilities"] : {};
  return { ...response, id: request.id, result: { ...result, capabilities: announcing(capabilities) } };
}

function ofSeveral(
  upstreams: readonly Upstream[],
  gateway: { readonly name: string; readonly version: string },
): JsonObject {
  const { capabilities, ...joint } = jointly(upstreams);
  const versions = upstreams.map(({ connection }) => connection.initialized["protocolVersion"]);
  return {
    protocolVersion: sharedVersion(versions.filter((each): each is string => typeof each === "string")),
    capabilities: announcing(capabilities),
    serverInfo: gateway,
    ...joint,
  };
}

/** What several servers have together, and say together to a model. */
export function jointly(upstreams: readonly Upstream[]): {
  readonly capabilities: JsonObject;
  readonly instructions?: string;
} {
  const capabilities: { [name: string]: JsonValue } = {};
  const instructions: string[] = [];
  for (const { server, connection } of upstreams) {
    const { capabilities: own, instructions: text } = connection.initialized;
    if (typeof text === "string" && text !== "") instructions.push(`# ${server.alias}\n\n${text}`);
    for (const [name, value] of Object.entries(isJsonObject(own) ? own : {})) {
      // Only what can be told apart by server is merged; experiments of one server are not those of another.
      if (!merged.includes(name) || !isJsonObject(value)) continue;
      const before = capabilities[name];
      capabilities[name] = { ...(isJsonObject(before) ? before : {}), ...value };
    }
  }
  return { capabilities, ...(instructions.length === 0 ? {} : { instructions: instructions.join("\n\n") }) };
}

/** Lists that the gateway itself changes, when bindings do. */
const listed = ["tools", "prompts", "resources"];
const merged = [...listed, "logging", "completions"];

/** Capabilities of servers as the gateway has them: it announces changes of its lists, whatever they do. */
export function announcing(capabilities: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(capabilities).map(([name, value]) =>
      listed.includes(name) && isJsonObject(value) ? [name, { ...value, listChanged: true }] : [name, value],
    ),
  );
}
