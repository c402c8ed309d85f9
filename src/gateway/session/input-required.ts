import type { Action } from "../../core/action.js";
import { capability } from "../../model/capability/index.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { clientCapabilitiesOf } from "../protocol/envelope.js";
import { paramsOf, rpcCode, rpcError, type RpcRequest } from "../protocol/json-rpc.js";
import { toolError } from "./client-requests.js";
import { denialText, endedText } from "./denial-text.js";
import type { GuardedCalls } from "./guarded-calls.js";
import { questionOf, refusalOfQuestion } from "./questions.js";
import { isRetry, type RequestStates, withState } from "./request-state.js";
import type { RequestFacts } from "./understood.js";
import type { Upstream } from "./upstream.js";

/** Requests that a server may answer with questions (MCP 2026-07-28, multi round-trip requests). */
const askedUpon = ["tools/call", "prompts/get", "resources/read"];

/** How many questions one answer may hold, and how long their names may be. */
const questionsMax = 16;
const nameCharactersMax = 256;

export interface InputParts {
  readonly calls: GuardedCalls;
  readonly agentId: string;
  readonly states: RequestStates;
}

/** Whether a result wants something of the client before it is one. What it calls itself is not all that counts. */
export function asksForInput(result: JsonObject): boolean {
  return result["resultType"] === "input_required" || Object.hasOwn(result, "inputRequests");
}

/**
 * What a server asks of the client in its answer: each question is a step, decided for the same agent, before the
 * client sees any of them. One that is denied denies the whole, for the rest would be of no use.
 *
 * @param request as the client sent it.
 * @returns the message for the client; undefined: it was cancelled.
 */
export async function guardQuestions(
  { calls, agentId, states }: InputParts,
  request: RpcRequest,
  upstream: Upstream | undefined,
  result: JsonObject,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const read = readQuestions(request, result);
  if (upstream === undefined || typeof read === "string") {
    const why = typeof read === "string" ? read : "it asks where several servers answer";
    const text = `${endedText("the request", "upstream_malformed", undefined)} (${why})`;
    return failed(request, text, rpcCode.unavailable, { reason: "upstream_malformed" });
  }
  const server = upstream.name;
  const name = "what the server asks for";
  for (const { method, action, params } of read.questions) {
    const refused = refusalOfQuestion(method, params);
    const outcome = await calls.perform({
      action,
      server,
      method,
      about: params,
      params: { server, method, params, ...(refused === undefined ? {} : { refused }) },
      signal,
      // The question is handed over with the answer that it came in; what is said to it comes as a request of its own.
      send: () => Promise.resolve({ jsonrpc: "2.0", id: 0, result: {} }),
    });
    if (outcome.kind === "cancelled") return undefined;
    if (outcome.kind === "answered") continue;
    const { id } = outcome;
    const decision = id === undefined ? {} : { decision: id };
    if (outcome.kind === "ended") {
      const data = { reason: outcome.code, ...decision };
      return failed(request, endedText(name, outcome.code, id), rpcCode.unavailable, data);
    }
    const text = denialText(`${name} (\`${method}\`)`, outcome.reason, id, refused);
    return failed(request, text, rpcCode.denied, { reason: outcome.reason, ...decision });
  }
  const questions = new Map(read.questions.map(({ name: key, method }) => [key, method]));
  const sealed = states.seal(request, { agentId, server, questions, state: read.state });
  return {
    jsonrpc: "2.0",
    id: request.id,
    result: { ...result, resultType: "input_required", requestState: sealed },
  };
}

interface AskedQuestion {
  readonly name: string;
  readonly method: string;
  readonly action: Action;
  readonly params: JsonObject;
}

/** @returns what is wrong with them, as text. */
function readQuestions(
  request: RpcRequest,
  { inputRequests, requestState }: JsonObject,
): { questions: readonly AskedQuestion[]; state: string | undefined } | string {
  if (!askedUpon.includes(request.method)) return "it asks where nothing may be asked";
  if (requestState !== undefined && typeof requestState !== "string") return "its state is not text";
  if (inputRequests === undefined && requestState === undefined) return "it asks for nothing";
  if (inputRequests !== undefined && !isJsonObject(inputRequests)) return "its questions are not an object";
  const entries = Object.entries(inputRequests ?? {});
  if (entries.length > questionsMax) return `it asks more than ${questionsMax} questions`;
  const can = clientCapabilitiesOf(request);
  const questions: AskedQuestion[] = [];
  for (const [name, asked] of entries) {
    const method = isJsonObject(asked) ? asked["method"] : undefined;
    const question = typeof method === "string" ? questionOf(method) : undefined;
    if (name.length > nameCharactersMax || question === undefined || typeof method !== "string")
      return "it asks what no server may ask";
    // What the client did not say that it has does not exist: it would not know what to do with it.
    if (can[question.capability] === undefined) return `the client has no ${question.capability}`;
    questions.push({ name, method, action: question.action, params: paramsOf(asked as JsonObject) });
  }
  return { questions, state: requestState };
}

/**
 * A request that brings answers along, or a state: as its server is to see it, and what it takes. Answers to what was
 * never asked of this agent, with this very request, are refused; those that were take the same as the questions.
 */
export function retryOf(
  { agentId, states }: InputParts,
  request: RpcRequest,
): { readonly request: RpcRequest; readonly facts: Partial<RequestFacts> } {
  if (!isRetry(request)) return { request, facts: {} };
  const refused = (why: string) => ({ request, facts: { refused: why } });
  const { inputResponses, requestState } = paramsOf(request);
  const asked =
    askedUpon.includes(request.method) && typeof requestState === "string"
      ? states.open(request, agentId, requestState)
      : undefined;
  if (asked === undefined)
    return refused("its requestState is not of this request; make the request anew, without it");
  if (inputResponses !== undefined && !isJsonObject(inputResponses))
    return refused("its inputResponses are not an object");
  const implies = new Set<string>();
  for (const name of Object.keys(inputResponses ?? {})) {
    const method = asked.questions.get(name);
    if (method === undefined) return refused("one of its inputResponses answers what was not asked");
    implies.add(capability("mcp", actionOf(method), asked.server));
  }
  const facts = { server: asked.server, implies: [...implies] };
  return { request: withState(request, asked.state), facts };
}

function actionOf(method: string): string {
  // `mcp.sample` is the action, and `sample` that of the capability (model/mcp.ts).
  return (questionOf(method)?.action.name ?? "mcp.request").slice("mcp.".length);
}

function failed(request: RpcRequest, text: string, code: number, data: JsonObject): JsonObject {
  return request.method === "tools/call" ? toolError(request, text) : rpcError(request.id, code, text, data);
}
