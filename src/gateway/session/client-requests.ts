import { mcpActions } from "../../actions/mcp.js";
import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { impliedBy } from "../mapping/implied.js";
import { paramsOf, rpcCode, rpcError, type RpcRequest, rpcResult } from "../protocol/json-rpc.js";
import { denialText, endedText } from "./denial-text.js";
import type { CallOutcome } from "./guarded-calls.js";
import { answerList, listKinds } from "./lists.js";
import { isAskedByServers } from "./questions.js";
import { understandCall } from "./tool-call.js";
import {
  moreOf,
  named,
  ownerOf,
  type RequestFacts,
  type RequestParts,
  shown,
  type Understood,
  without,
} from "./understood.js";
import type { Upstream } from "./upstream.js";

/** What a client is told, and of which server that is. */
export interface Answered {
  /** Undefined: it was cancelled, and gets no answer. */
  readonly message: JsonObject | undefined;
  /** Undefined: of several, or of none. */
  readonly upstream: Upstream | undefined;
}

/** A client's request from its message to its answer. */
export async function answerRequest(
  parts: RequestParts,
  request: RpcRequest,
  signal: AbortSignal,
  facts: RequestFacts = { envelope: {} },
): Promise<Answered> {
  if (Object.hasOwn(listKinds, request.method))
    return { message: await answerList(parts, request, signal), upstream: undefined };
  const understood = joined(await understand(parts, request, facts), facts);
  const { upstream, action, about, params, implies, refused, unavailable } = understood;
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
        : upstream.sender({ ...request, params: about }, understood.headers),
  });
  return { message: answerOf(request, outcome, understood), upstream };
}

/** What is known of a request beside its message counts with what its message says. */
function joined(understood: Understood, { implies = [], refused, server }: RequestFacts): Understood {
  const isElsewhere = server !== undefined && understood.upstream?.name !== server;
  const why = refused ?? understood.refused ?? (isElsewhere ? "its server is another one now" : undefined);
  return {
    ...understood,
    implies: [...(understood.implies ?? []), ...implies],
    ...(why === undefined ? {} : { refused: why }),
  };
}

async function understand(
  parts: RequestParts,
  request: RpcRequest,
  facts: RequestFacts,
): Promise<Understood> {
  const params = paramsOf(request);
  if (facts.isUnknown === true) return understandUnknown(parts, request.method, params);
  switch (request.method) {
    case "tools/call":
      return understandCall(parts, params, facts);
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
    default:
      return understandUnknown(parts, request.method, params);
  }
}

/** Nothing here knows what it does. A single server may be meant by it, and a binding may even allow it. */
function understandUnknown(parts: RequestParts, method: string, params: JsonObject): Understood {
  const upstream = parts.naming.isPrefixed ? undefined : parts.upstreams[0];
  const what = `the method ${shown(method)}`;
  const understood = {
    upstream,
    action: mcpActions.request,
    about: params,
    params: { method, params },
    what,
  };
  return isAskedByServers(method)
    ? { ...understood, refused: "it is a server's to send" }
    : { ...understood, ...unknownTo(upstream, what) };
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

function unknownTo(upstream: Upstream | undefined, what: string): { readonly refused?: string } {
  return upstream === undefined
    ? { refused: `no server is known for ${what}; list what there is first` }
    : {};
}

/** Answers of the server go out as they came in; a denial is what its agent can make something of. */
function answerOf(
  request: RpcRequest,
  outcome: CallOutcome,
  { what, refused, isMismatch }: Understood,
): JsonObject | undefined {
  switch (outcome.kind) {
    case "answered":
      return { ...outcome.response, id: request.id };
    case "cancelled":
      return undefined;
    case "denied": {
      const { reason, id } = outcome;
      const text = denialText(what, reason, id, reason === "invalid_context" ? refused : undefined);
      const data = { reason, ...(id === undefined ? {} : { decision: id }) };
      if (isMismatch === true) return rpcError(request.id, rpcCode.headerMismatch, text, data);
      if (request.method === "tools/call") return toolError(request, text);
      const code = what.startsWith("the method ") ? rpcCode.methodNotFound : rpcCode.denied;
      return rpcError(request.id, code, text, data);
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
export function toolError({ id }: RpcRequest, text: string): JsonObject {
  return rpcResult(id, { content: [{ type: "text", text }], isError: true });
}
