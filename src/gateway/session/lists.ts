import { type AuditMechanism, ledgerOf } from "../../core/audit.js";
import { commitTo } from "../../core/commitment.js";
import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { sha256Hex } from "../../model/sha256.js";
import type { PinLog } from "../pins/pin-log.js";
import { paramsOf, rpcCode, type RpcRequest, rpcError, rpcResult } from "../protocol/json-rpc.js";
import { mirroredArguments } from "../protocol/mirrored-arguments.js";
import { pageOf } from "./catalogue.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import type { Naming } from "./naming.js";
import type { ResourceOwners } from "./resource-owners.js";
import type { SessionRun } from "./session-run.js";
import type { Upstream } from "./upstream.js";
import type { Visibility } from "./visibility.js";

/** How many different answers to lists a session remembers the commitments of. */
const listedMax = 256;

/** One of MCP's list methods. */
export interface ListKind {
  readonly list: "tools" | "prompts" | "resources" | "resource_templates";
  /** The member of the result that is the list. */
  readonly member: string;
  /** The capability that a server has when it has such a list. */
  readonly capability: string;
}

export const listKinds: Readonly<Record<string, ListKind>> = Object.freeze({
  "tools/list": { list: "tools", member: "tools", capability: "tools" },
  "prompts/list": { list: "prompts", member: "prompts", capability: "prompts" },
  "resources/list": { list: "resources", member: "resources", capability: "resources" },
  "resources/templates/list": {
    list: "resource_templates",
    member: "resourceTemplates",
    capability: "resources",
  },
});

export interface ListParts {
  readonly audit: AuditMechanism;
  readonly run: SessionRun;
  readonly agentId: string;
  readonly pins: PinLog;
  readonly naming: Naming;
  readonly visibility: Visibility;
  readonly owners: ResourceOwners;
  readonly upstreams: readonly Upstream[];
}

/**
 * Answers a list method: what the servers say, without what this agent could not use, recorded. A page of several
 * servers holds a page of each; its cursor stands for theirs.
 */
export async function answerList(
  parts: ListParts,
  request: RpcRequest,
  signal: AbortSignal,
): Promise<JsonObject> {
  const kind = listKinds[request.method] as ListKind;
  const [only] = parts.upstreams;
  if (!parts.naming.isPrefixed && only !== undefined) {
    const response = await only.connection.request(request, signal);
    const { result } = response;
    if (!isJsonObject(result)) return { ...response, id: request.id };
    const entries = await shownOf(parts, kind, only, result);
    return { ...response, id: request.id, result: { ...result, [kind.member]: entries } };
  }
  const { cursor, ...params } = paramsOf(request);
  const places = cursor === undefined ? undefined : decodeCursor(cursor);
  if (cursor !== undefined && places === undefined)
    return rpcError(request.id, rpcCode.invalidParams, "the cursor is not one of this server");
  const asked = parts.upstreams.filter(
    (upstream) =>
      upstream.capability(kind.capability) !== undefined &&
      (places === undefined || places.has(upstream.name)),
  );
  const pages = await Promise.all(
    asked.map(async (upstream) => {
      const at = places?.get(upstream.name);
      const message = { ...request, params: at === undefined ? params : { ...params, cursor: at } };
      try {
        return { upstream, result: (await upstream.connection.request(message, signal))["result"] };
      } catch (error) {
        // One server that is gone does not take the others' lists with it; when it is back, that is announced.
        if (error instanceof EffectFailedError) return { upstream, result: undefined };
        throw error;
      }
    }),
  );
  const entries: JsonValue[] = [];
  const next = new Map<string, string>();
  for (const { upstream, result } of pages) {
    if (isJsonObject(result)) entries.push(...(await shownOf(parts, kind, upstream, result)));
    const { cursor: at } = pageOf(result, kind.member);
    if (at !== undefined) next.set(upstream.name, at);
  }
  const nextCursor = next.size === 0 ? {} : { nextCursor: encodeCursor(next) };
  return rpcResult(request.id, { [kind.member]: entries, ...nextCursor, ...freshness(pages) });
}

/** What several servers say together is fresh for as long as the shortest of them says (MCP 2026-07-28, caching). */
function freshness(pages: readonly { readonly result: JsonValue | undefined }[]): {
  readonly ttlMs?: number;
} {
  const times = pages.map(({ result }) => (isJsonObject(result) ? result["ttlMs"] : undefined));
  const known = times.filter((each): each is number => typeof each === "number");
  return known.length === 0 ? {} : { ttlMs: known.length === times.length ? Math.min(...known) : 0 };
}

async function shownOf(
  parts: ListParts,
  kind: ListKind,
  upstream: Upstream,
  result: JsonObject,
): Promise<readonly JsonValue[]> {
  const { entries } = pageOf(result, kind.member);
  const shown =
    kind.list === "tools"
      ? await toolsOf(parts, upstream, entries)
      : othersOf(parts, kind, upstream, entries);
  await record(parts, kind, upstream, result, { shown: shown.length, hidden: entries.length - shown.length });
  return shown;
}

async function toolsOf(
  { pins, agentId, visibility, naming }: ListParts,
  { server, catalogue, connection }: Upstream,
  entries: readonly JsonValue[],
): Promise<readonly JsonValue[]> {
  const standings = await pins.admit(server.name, agentId, entries);
  catalogue.add(standings);
  return (
    standings
      .filter(({ name, admitted }) => admitted && visibility.tool(server, name))
      // A client must not list a tool whose headers cannot be made (MCP 2026-07-28, streamable HTTP).
      .filter(
        ({ definition }) =>
          !connection.isStateless || typeof mirroredArguments(definition["inputSchema"]) !== "string",
      )
      .map(({ name, definition }) =>
        naming.isPrefixed ? { ...definition, name: naming.shown(server, name) } : definition,
      )
  );
}

function othersOf(
  { visibility, naming, owners }: ListParts,
  { list }: ListKind,
  { server }: Upstream,
  entries: readonly JsonValue[],
): readonly JsonValue[] {
  const text = (entry: JsonObject, member: string): string => {
    const value = entry[member];
    return typeof value === "string" ? value : "";
  };
  return entries.filter(isJsonObject).flatMap((entry) => {
    switch (list) {
      case "prompts": {
        const name = text(entry, "name");
        if (!visibility.prompt(server, name)) return [];
        return [naming.isPrefixed ? { ...entry, name: naming.shown(server, name) } : entry];
      }
      case "resources": {
        const uri = text(entry, "uri");
        // Of several servers with one address, the one that listed it first is the one that is read.
        return owners.claim(uri, server.name) && visibility.resource(server, uri) ? [entry] : [];
      }
      case "resource_templates": {
        const template = text(entry, "uriTemplate");
        owners.claimTemplate(template, server.name);
        return visibility.resourceTemplate(server, template) ? [entry] : [];
      }
      case "tools":
        return [];
    }
  });
}

async function record(
  { audit, run, agentId }: ListParts,
  { list }: ListKind,
  { name }: Upstream,
  result: JsonObject,
  counts: { readonly shown: number; readonly hidden: number },
): Promise<void> {
  // A lone surrogate has no canonical form; the record holds the replacement character there.
  const text = JSON.stringify(result).replace(/\\u(d[89a-f][0-9a-f]{2})/g, "\\ufffd");
  const common = { event: "mcp_listed", run_id: run.runId, agent_id: agentId, server: name, list, ...counts };
  const digest = sha256Hex(text);
  const before = run.listed.get(digest);
  const answer = before === undefined ? commitTo(JSON.parse(text) as JsonValue) : undefined;
  const emitted = await ledgerOf(audit).submit(agentId, (tx) => {
    // Asked over and over, a list is kept once: a client must not fill the disk with what a server says.
    if (answer !== undefined) tx.keep(answer);
    const kept = before === undefined ? {} : { answer_seq: before.seq };
    return tx.emit({ ...common, answer_commitment: answer?.ref ?? before?.ref ?? "", ...kept });
  });
  if (answer === undefined) return;
  if (run.listed.size >= listedMax) run.listed.clear();
  run.listed.set(digest, { seq: emitted.seq, ref: answer.ref });
}
