import { mcpActions } from "../../actions/mcp.js";
import { boundedText } from "../../model/bounded-text.js";
import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { impliedBy } from "../mapping/implied.js";
import type { OwnFiles } from "../mapping/own-files.js";
import type { ToolStanding } from "../pins/pin-log.js";
import { paramsOf, rpcCode, rpcError, type RpcRequest, rpcResult } from "../protocol/json-rpc.js";
import { undeclaredArgument } from "./declared-arguments.js";
import { isAskedByServers } from "./server-requests.js";
import { denialText, endedText } from "./denial-text.js";
import type { CallOutcome, GuardedCall, GuardedCalls } from "./guarded-calls.js";
import { answerList, type ListParts, listKinds } from "./lists.js";
import type { Upstream } from "./upstream.js";

/** What answers the requests of one client. */
export interface RequestParts extends ListParts {
  readonly calls: GuardedCalls;
  readonly ownFiles: OwnFiles;
}

/** A request as it is put to the guard: which server it means, and what it is to be refused for before all policy. */
interface Understood {
  readonly upstream: Upstream | undefined;
  readonly action: GuardedCall["action"];
  /** With names as the server knows them. */
  readonly about: JsonObject;
  /** Of the action, `server`, `implies` and `refused` aside. */
  readonly params: JsonObject;
  readonly implies?: readonly string[];
  /** A sentence about the request itself, which its agent may see. */
  readonly refused?: string;
  /** Why it cannot be sent, whatever the guard says. */
  readonly unavailable?: EffectFailedError;
  /** For the agent: `the tool read_file`. */
  readonly what: string;
}

/** A client's request from its message to its answer; undefined: it was cancelled, and gets none. */
export async function answerRequest(
  parts: RequestParts,
  request: RpcRequest,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  if (Object.hasOwn(listKinds, request.method)) return answerList(parts, request, signal);
  const understood = await understand(parts, request);
  const { upstream, action, about, params, implies, refused, unavailable, what } = understood;
  const server = upstream?.name ?? "unknown";
  const outcome = await parts.calls.perform({
    action,
    server,
    method: request.method,
    about,
    params: {
      server,
      ...params,
      ...(implies === undefined || implies.length === 0 ? {} : { implies }),
      ...(refused === undefined ? {} : { refused }),
    },
    signal,
    send:
      upstream === undefined || unavailable !== undefined
        ? () => Promise.reject(unavailable ?? new EffectFailedError("no_upstream", "no server is meant"))
        : upstream.sender({ ...request, params: about }),
  });
  return answerOf(request, outcome, what, refused);
}

async function understand(parts: RequestParts, request: RpcRequest): Promise<Understood> {
  const params = paramsOf(request);
  switch (request.method) {
    case "tools/call":
      return understandCall(parts, params);
    case "prompts/get": {
      const { upstream, name, about } = named(parts, params);
      const { arguments: args, ...more } = without(about, "name");
      const given = isJsonObject(args) ? args : {};
      const own = { name, arguments: given, ...moreOf(more) };
      const what = `the prompt ${shown(params["name"])}`;
      return {
        upstream,
        action: mcpActions.prompt,
        about,
        params: own,
        what,
        ...(upstream === undefined
          ? unknownTo(upstream, what)
          : await impliedByPrompt(parts, upstream, name, given)),
      };
    }
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe": {
      const { uri, ...more } = params;
      const upstream = ownerOf(parts, uri);
      const own = { method: request.method, uri: typeof uri === "string" ? uri : "", ...moreOf(more) };
      const what = `the resource ${shown(uri)}`;
      return {
        upstream,
        action: mcpActions.read,
        about: params,
        params: own,
        what,
        ...unknownTo(upstream, what),
      };
    }
    case "completion/complete":
      return understandCompletion(parts, params);
    default: {
      // Nothing here knows what it does. A single server may be meant by it, and a binding may even allow it.
      const upstream = parts.naming.isPrefixed ? undefined : parts.upstreams[0];
      const own = { method: request.method, params };
      const what = `the method ${shown(request.method)}`;
      if (isAskedByServers(request.method))
        return {
          upstream,
          action: mcpActions.request,
          about: params,
          params: own,
          what,
          refused: "it is a server's to send",
        };
      return {
        upstream,
        action: mcpActions.request,
        about: params,
        params: own,
        what,
        ...unknownTo(upstream, what),
      };
    }
  }
}

async function understandCall(parts: RequestParts, params: JsonObject): Promise<Understood> {
  const { upstream, name, about } = named(parts, params);
  const { arguments: given, ...more } = without(about, "name");
  const args = isJsonObject(given) ? given : {};
  const what = `the tool ${shown(params["name"])}`;
  const understood = {
    upstream,
    action: mcpActions.call,
    about,
    params: { tool: name, arguments: args, ...moreOf(more) },
    what,
  };
  if (upstream === undefined) return { ...understood, refused: "there is no such tool" };
  if (given !== undefined && !isJsonObject(given))
    return { ...understood, refused: "its arguments are not an object" };
  let standing: ToolStanding | undefined;
  try {
    standing = await upstream.tool(name, parts.pins, parts.agentId);
  } catch (error) {
    // What the tool is cannot be told now: the guard decides and records all the same, and nothing is sent.
    if (error instanceof EffectFailedError) return { ...understood, unavailable: error };
    throw error;
  }
  if (standing === undefined && parts.pins.knows(upstream.name, name))
    return { ...understood, refused: "its server does not list it any more" };
  if (standing?.admitted === false)
    return {
      ...understood,
      refused:
        "it is not what it was when it was accepted, or was never accepted; the operator has to look at it",
    };
  const schema = standing?.definition["inputSchema"];
  const undeclared = undeclaredArgument(schema, args);
  if (undeclared !== undefined)
    return { ...understood, refused: `it has no argument ${shown(undeclared)}; leave it out` };
  const implied = await impliedBy(upstream.server.mapping, name, args, schema, parts.ownFiles);
  return "refused" in implied
    ? { ...understood, ...implied }
    : { ...understood, implies: implied.capabilities };
}

/** A prompt may fetch or read what its arguments name, just like a tool. */
async function impliedByPrompt(
  { ownFiles }: RequestParts,
  { server: { mapping } }: Upstream,
  name: string,
  args: JsonObject,
): Promise<{ readonly refused: string } | { readonly implies: readonly string[] }> {
  const ofPrompts = { ...mapping, templates: mapping.prompts };
  const implied = await impliedBy(ofPrompts, name, args, undefined, ownFiles);
  return "refused" in implied ? implied : { implies: implied.capabilities };
}

function understandCompletion(parts: RequestParts, params: JsonObject): Understood {
  const { ref } = params;
  const isPrompt = isJsonObject(ref) && ref["type"] === "ref/prompt";
  const found = isPrompt ? named(parts, ref) : undefined;
  const upstream = found?.upstream ?? ownerOf(parts, isJsonObject(ref) ? ref["uri"] : undefined);
  const about = found === undefined ? params : { ...params, ref: found.about };
  const what = `completing ${shown(isJsonObject(ref) ? (ref["name"] ?? ref["uri"]) : "")}`;
  const own = { method: "completion/complete", params: about };
  return { upstream, action: mcpActions.request, about, params: own, what, ...unknownTo(upstream, what) };
}

interface Named {
  readonly upstream: Upstream | undefined;
  readonly name: string;
  readonly about: JsonObject;
}

/** Which server a name means, and the parameters with the name as that server knows it. */
function named({ naming, upstreams }: RequestParts, params: JsonObject): Named {
  const { name } = params;
  const meant = typeof name === "string" ? naming.meant(name) : undefined;
  if (meant === undefined)
    return { upstream: undefined, name: typeof name === "string" ? name : "", about: params };
  const upstream = upstreams.find((each) => each.name === meant.server.name);
  return { upstream, name: meant.name, about: { ...params, name: meant.name } };
}

function ownerOf({ naming, owners, upstreams }: RequestParts, uri: unknown): Upstream | undefined {
  if (!naming.isPrefixed) return upstreams[0];
  const owner = typeof uri === "string" ? owners.of(uri) : undefined;
  return upstreams.find((each) => each.name === owner);
}

function unknownTo(upstream: Upstream | undefined, what: string): { readonly refused?: string } {
  return upstream === undefined
    ? { refused: `no server is known for ${what}; list what there is first` }
    : {};
}

function without(params: JsonObject, member: string): JsonObject {
  return Object.fromEntries(Object.entries(params).filter(([name]) => name !== member));
}

function moreOf(more: JsonObject): { readonly more?: JsonObject } {
  return Object.keys(more).length === 0 ? {} : { more };
}

/** A name that an agent wrote, given back to it: one line, and not much of it. */
function shown(name: unknown): string {
  return typeof name === "string" ? JSON.stringify(boundedText(name, 100)) : "(without a name)";
}

/** Answers of the server go out as they came in; a denial is what its agent can make something of. */
function answerOf(
  request: RpcRequest,
  outcome: CallOutcome,
  what: string,
  refused: string | undefined,
): JsonObject | undefined {
  switch (outcome.kind) {
    case "answered":
      return { ...outcome.response, id: request.id };
    case "cancelled":
      return undefined;
    case "denied": {
      const { reason, id } = outcome;
      const text = denialText(what, reason, id, reason === "invalid_context" ? refused : undefined);
      if (request.method === "tools/call") return toolError(request, text);
      const code = what.startsWith("the method ") ? rpcCode.methodNotFound : rpcCode.denied;
      return rpcError(request.id, code, text, { reason, ...(id === undefined ? {} : { decision: id }) });
    }
    case "ended": {
      const { code, id } = outcome;
      const text = endedText(what, code, id);
      if (request.method === "tools/call") return toolError(request, text);
      return rpcError(request.id, rpcCode.unavailable, text, {
        reason: code,
        ...(id === undefined ? {} : { decision: id }),
      });
    }
  }
}

/** A model reads the result of a tool; a protocol error often ends in its client. */
function toolError({ id }: RpcRequest, text: string): JsonObject {
  return rpcResult(id, { content: [{ type: "text", text }], isError: true });
}
