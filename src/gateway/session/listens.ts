import { mcpActions } from "../../actions/mcp.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { envelopeOf, metaKey, withMeta } from "../protocol/envelope.js";
import {
  paramsOf,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  rpcResult,
} from "../protocol/json-rpc.js";
import { type ListName, listNamed } from "./announcements.js";
import type { Ground } from "./session-ground.js";
import { ownerOf } from "./understood.js";
import type { Upstream } from "./upstream.js";

/** Subscriptions of one client at a time, and resources in one of them. */
const listensMax = 16;
const resourcesMax = 64;
/** What waits for an acknowledgement; a server that tells more before it has acknowledged anything is not heard. */
const heldMax = 256;

const members: Readonly<Record<ListName, string>> = {
  tools: "toolsListChanged",
  prompts: "promptsListChanged",
  resources: "resourcesListChanged",
};

/** One subscription of the client's. */
interface Listen {
  readonly id: RequestId;
  readonly envelope: JsonObject;
  readonly lists: ReadonlySet<ListName>;
  /** The resources that it is told of, and whose they are. */
  readonly resources: Map<string, Upstream>;
  /** What came before its acknowledgement, which has to be first; undefined: it is acknowledged. */
  held: JsonObject[] | undefined;
  /** Aborted with it. */
  readonly over: AbortController;
  /** Ends it as a server does that has nothing more to tell. */
  readonly end: () => void;
}

/**
 * What a client without a session wants to be told of (MCP 2026-07-28, subscriptions). Changes of lists are the gateway's
 * own to tell, for it changes them itself; each resource is a step that is decided like reading it, and is asked of its
 * server by itself, so that what permission ends for ends alone.
 */
export class Listens {
  readonly #ground: Ground;
  readonly #open = new Set<Listen>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** @returns the answer, when the subscription is over; undefined: the client ended it. */
  async open(request: RpcRequest, signal: AbortSignal): Promise<JsonObject | undefined> {
    const asked = readFilter(request);
    if (typeof asked === "string") return rpcError(request.id, rpcCode.invalidParams, asked);
    if (this.#open.size >= listensMax)
      return rpcError(request.id, rpcCode.unavailable, `more than ${listensMax} subscriptions at a time`);
    const has = this.#ground.upstreams.lists();
    const lists = new Set(asked.lists.filter((list) => has.includes(list)));
    let begun: Promise<void> = Promise.resolve();
    const isCancelled = await new Promise<boolean>((resolve) => {
      const over = new AbortController();
      const end = (): void => {
        over.abort(new Error("the subscription is over"));
        this.#open.delete(listen);
        resolve(signal.aborted);
      };
      const envelope = envelopeOf(request);
      const listen: Listen = { id: request.id, envelope, lists, resources: new Map(), held: [], over, end };
      this.#open.add(listen);
      signal.addEventListener("abort", end, { once: true });
      begun = this.#begin(listen, asked.resources, signal).catch((error: unknown) => {
        this.#ground.log("gateway", error instanceof Error ? (error.stack ?? error.message) : String(error));
        end();
      });
    });
    // The steps that it began with have ended before it has.
    await begun;
    if (isCancelled) return undefined;
    return rpcResult(
      request.id,
      withMeta({ resultType: "complete" }, { [metaKey.subscriptionId]: request.id }),
    );
  }

  /** That a list changed. */
  tell(message: RpcNotification): void {
    const list = listNamed(message.method);
    for (const listen of this.#open)
      if (list !== undefined && listen.lists.has(list)) this.#send(listen, message);
  }

  /** What the agent may not read any more ends what it was to be told of. @param all nothing at all is permitted. */
  recheck(all: boolean): void {
    const { visibility } = this.#ground.requests;
    for (const listen of this.#open) {
      const isOver = [...listen.resources].some(([uri, { server }]) => !visibility.resource(server, uri));
      if (all || isOver) listen.end();
    }
  }

  close(): void {
    for (const listen of this.#open) listen.end();
  }

  async #begin(listen: Listen, resources: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(resources.map((uri) => this.#subscribe(listen, uri, signal)));
    if (listen.over.signal.aborted) return;
    const notifications: { [member: string]: JsonValue } = {};
    for (const list of listen.lists) notifications[members[list]] = true;
    if (listen.resources.size > 0) notifications["resourceSubscriptions"] = [...listen.resources.keys()];
    const held = listen.held ?? [];
    listen.held = undefined;
    const method = "notifications/subscriptions/acknowledged";
    this.#send(listen, { jsonrpc: "2.0", method, params: { notifications } });
    for (const message of held) this.#send(listen, message);
    // A stream on which nothing can ever come is not kept.
    if (Object.keys(notifications).length === 0) listen.end();
  }

  /** A step: what is denied, or not honoured by its server, is not acknowledged. */
  async #subscribe(listen: Listen, uri: string, signal: AbortSignal): Promise<void> {
    const { requests } = this.#ground;
    const upstream = ownerOf(requests, uri);
    const server = upstream?.name ?? "unknown";
    // The same use as in revisions that had a method of that name: one policy, and one kind of record, for both.
    const method = "resources/subscribe";
    await requests.calls.perform({
      action: mcpActions.read,
      server,
      method,
      about: { uri },
      params: {
        server,
        method,
        uri,
        ...(upstream === undefined ? { refused: "no server is known for it" } : {}),
      },
      signal: AbortSignal.any([signal, listen.over.signal]),
      send: (stepSignal) =>
        upstream === undefined
          ? Promise.reject(new Error("no server is meant"))
          : this.#ask(listen, upstream, uri, stepSignal),
    });
  }

  /** @returns what the server acknowledges; the subscription goes on beyond the step that asked for it. */
  #ask(listen: Listen, upstream: Upstream, uri: string, step: AbortSignal): Promise<RpcResponse> {
    const own = new AbortController();
    const stop = (): void => own.abort(new Error("the subscription is over"));
    step.addEventListener("abort", stop, { once: true });
    listen.over.signal.addEventListener("abort", stop, { once: true });
    return new Promise<RpcResponse>((resolve, reject) => {
      const hears = (message: RpcNotification): void => {
        if (message.method !== "notifications/subscriptions/acknowledged")
          return this.#heard(listen, upstream, message);
        step.removeEventListener("abort", stop);
        if (honours(message, uri)) listen.resources.set(uri, upstream);
        resolve({ jsonrpc: "2.0", id: 0, result: paramsOf(message) });
      };
      const params = { _meta: listen.envelope, notifications: { resourceSubscriptions: [uri] } };
      const isOver = (): void => {
        listen.over.signal.removeEventListener("abort", stop);
        if (listen.resources.has(uri)) listen.end();
      };
      upstream.connection.listen(params, hears, own.signal).then(
        (response) => {
          resolve(response);
          isOver();
        },
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
          isOver();
        },
      );
    });
  }

  #heard(listen: Listen, { server }: Upstream, message: RpcNotification): void {
    if (message.method !== "notifications/resources/updated") return;
    const { uri } = paramsOf(message);
    // The binding may have expired since; and a server may name a resource that it was not asked about.
    if (typeof uri === "string" && this.#ground.requests.visibility.resource(server, uri))
      this.#send(listen, message);
  }

  #send(listen: Listen, message: JsonObject): void {
    if (listen.held !== undefined) {
      if (listen.held.length < heldMax) listen.held.push(message);
      return;
    }
    const params = withMeta(paramsOf(message), { [metaKey.subscriptionId]: listen.id });
    this.#ground.toClient({ ...message, params }, [listen.id]);
  }
}

function honours(acknowledgement: RpcNotification, uri: string): boolean {
  const { notifications } = paramsOf(acknowledgement);
  const honoured = isJsonObject(notifications) ? notifications["resourceSubscriptions"] : undefined;
  return Array.isArray(honoured) && honoured.includes(uri);
}

/** @returns what is wrong with it, as text. */
function readFilter(
  request: RpcRequest,
): { readonly lists: readonly ListName[]; readonly resources: readonly string[] } | string {
  const { notifications } = paramsOf(request);
  if (!isJsonObject(notifications)) return "`notifications` has to be an object";
  const { resourceSubscriptions: resources = [] } = notifications;
  if (!Array.isArray(resources) || !resources.every((each): each is string => typeof each === "string"))
    return "`resourceSubscriptions` has to be a list of addresses";
  if (resources.length > resourcesMax) return `more than ${resourcesMax} resources in one subscription`;
  const lists = (Object.keys(members) as ListName[]).filter((list) => notifications[members[list]] === true);
  return { lists, resources: [...new Set(resources)] };
}
