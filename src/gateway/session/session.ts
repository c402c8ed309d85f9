import { AuditUnavailableError, EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import type { GatewayConfig } from "../config/config-file.js";
import type { Front } from "../front/front.js";
import type { OwnFiles } from "../mapping/own-files.js";
import type { PinLog } from "../pins/pin-log.js";
import {
  idKey,
  isRequestId,
  paramsOf,
  readRpcMessage,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  rpcResult,
} from "../protocol/json-rpc.js";
import { supportedVersions } from "../protocol/versions.js";
import { Announcements, concernsLists } from "./announcements.js";
import { answerRequest, type RequestParts } from "./client-requests.js";
import type { Exchange } from "./exchange.js";
import { GuardedCalls, type SessionParts } from "./guarded-calls.js";
import { answerInitialize } from "./initialization.js";
import { Naming } from "./naming.js";
import { ResourceOwners } from "./resource-owners.js";
import { ServerRequests } from "./server-requests.js";
import { SessionRun } from "./session-run.js";
import { SessionUpstreams } from "./session-upstreams.js";
import { Visibility } from "./visibility.js";

export interface SessionOptions {
  readonly parts: SessionParts;
  readonly config: GatewayConfig;
  readonly agentId: string;
  readonly pins: PinLog;
  readonly ownFiles: OwnFiles;
  readonly exchange: Exchange;
  readonly gateway: { readonly name: string; readonly version: string };
  /** For the operator. */
  readonly log: (server: string, text: string) => void;
}

interface Started {
  readonly run: SessionRun;
  readonly requests: RequestParts;
  readonly fromServers: ServerRequests;
}

/**
 * One client's connection, from its first message to its last: what it sends is understood here, and answered by the
 * parts for requests, lists and notifications. It has servers of its own, and a run of its own in the log.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #front: Front;
  readonly #upstreams: SessionUpstreams;
  readonly #announcements: Announcements;
  readonly #inFlight = new Map<string, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #unsubscribe: () => void;
  readonly ended: Promise<void>;
  #started: Started | undefined;
  #initializing = false;
  #ended = false;
  #tellEnded: () => void = () => undefined;

  constructor(front: Front, options: SessionOptions) {
    this.#options = options;
    this.#front = front;
    this.ended = new Promise((resolve) => (this.#tellEnded = resolve));
    this.#announcements = new Announcements((message) => this.#send(message));
    this.#upstreams = new SessionUpstreams(options.config, {
      toClient: (message, related) => this.#send(message, related),
      streams: (request, pausedMs) => front.streams?.(request, pausedMs),
      asks: (upstream, request) => this.#track(this.#started?.fromServers.take(upstream, request)),
      cancels: (upstream, id) => this.#started?.fromServers.cancel(upstream, id),
      changed: (list) => this.#announcements.changed(list),
      mayRead: (server, uri) => this.#started?.requests.visibility.resource(server, uri) ?? false,
      slow: () => front.pause(),
      fast: () => front.resume(),
      log: options.log,
    });
    this.#unsubscribe = options.parts.audit.onEvent((event) => {
      if (this.#started !== undefined && concernsLists(event, options.agentId))
        this.#announcements.changed(...this.#upstreams.lists());
    });
    front.start({
      message: (value) => this.#take(value),
      unreadable: (why) => this.#send(rpcError(null, rpcCode.parseError, why)),
      ended: (why) => void this.close(why),
      drained: () => this.#upstreams.resume(),
    });
  }

  /** Ends everything that is under way, and the run. Idempotent. */
  async close(why: string): Promise<void> {
    if (this.#ended) return this.ended;
    this.#ended = true;
    this.#unsubscribe();
    this.#announcements.close();
    for (const controller of this.#inFlight.values()) controller.abort(new Error(why));
    this.#started?.fromServers.close();
    this.#upstreams.close();
    // Each step ends, with a record, before the run does.
    await Promise.all(this.#tasks);
    try {
      await this.#started?.run.end();
    } catch (error) {
      if (!(error instanceof AuditUnavailableError)) throw error;
      this.#options.log("gateway", `the end of the session could not be recorded: ${error.message}`);
    }
    this.#started?.requests.calls.close();
    this.#front.close();
    this.#tellEnded();
  }

  #send(message: JsonObject, related: readonly RequestId[] = []): void {
    if (!this.#front.send(message, related)) this.#upstreams.pause();
  }

  #track(task: Promise<void> | undefined): void {
    if (task === undefined) return;
    const tracked = task.catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      this.#options.log("gateway", `a message could not be handled: ${text}`);
    });
    this.#tasks.add(tracked);
    void tracked.then(() => this.#tasks.delete(tracked));
  }

  #take(value: JsonValue): void {
    if (this.#ended) return;
    const read = readRpcMessage(value);
    switch (read.kind) {
      case "malformed":
        return this.#send(rpcError(read.id ?? null, rpcCode.invalidRequest, read.why));
      case "response":
        return this.#takeResponse(read.message);
      case "notification":
        return this.#takeNotification(read.message);
      case "request":
        return this.#takeRequest(read.message);
    }
  }

  #takeRequest(request: RpcRequest): void {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return this.#send(refusal);
    if (request.method === "ping") return this.#send(rpcResult(request.id, {}));
    const key = idKey(request.id);
    const controller = new AbortController();
    this.#inFlight.set(key, controller);
    this.#track(
      this.#answer(request, controller.signal)
        .then((answer) => {
          if (answer !== undefined) this.#send(answer);
        })
        .finally(() => this.#inFlight.delete(key)),
    );
  }

  /** What is refused before it means anything: it is not a request of this session at this time. */
  #refusalOf({ id, method, params }: RpcRequest): JsonObject | undefined {
    const meta = isJsonObject(params) ? params["_meta"] : undefined;
    const modern = isJsonObject(meta) ? meta["io.modelcontextprotocol/protocolVersion"] : undefined;
    // A client that speaks both falls back to `initialize` on this answer (MCP 2026-07-28, stdio).
    if (method === "server/discover") return rpcError(id, rpcCode.methodNotFound, "use `initialize`");
    if (modern !== undefined && this.#started === undefined && method !== "initialize") {
      const data = { supported: [...supportedVersions], requested: modern };
      return rpcError(
        id,
        rpcCode.unsupportedVersion,
        "this gateway speaks revisions with `initialize`",
        data,
      );
    }
    if (this.#inFlight.has(idKey(id))) return rpcError(id, rpcCode.invalidRequest, "this id is in use");
    if (this.#inFlight.size >= this.#options.config.inFlightMax)
      return rpcError(
        id,
        rpcCode.unavailable,
        `more than ${this.#options.config.inFlightMax} requests at a time`,
      );
    if (method === "initialize")
      return this.#initializing
        ? rpcError(id, rpcCode.invalidRequest, "this session is initialized")
        : undefined;
    if (this.#started === undefined && method !== "ping")
      return rpcError(id, rpcCode.invalidRequest, "begin with `initialize`");
    return undefined;
  }

  async #answer(request: RpcRequest, signal: AbortSignal): Promise<JsonObject | undefined> {
    try {
      if (request.method === "initialize") return await this.#initializeOrNot(request);
      const { requests } = this.#started as Started;
      if (request.method === "logging/setLevel") return await this.#upstreams.setLevel(request, signal);
      return await answerRequest(requests, request, signal);
    } catch (error) {
      // Cancelled: the client does not wait for an answer.
      if (signal.aborted) return undefined;
      if (error instanceof EffectFailedError || error instanceof AuditUnavailableError)
        return rpcError(request.id, rpcCode.unavailable, error.message);
      // Not the client's business what broke in here; the operator is told.
      this.#options.log("gateway", error instanceof Error ? (error.stack ?? error.message) : String(error));
      return rpcError(request.id, rpcCode.internalError, "the gateway failed");
    }
  }

  /** A client that could not begin may try again, in a run of its own. */
  async #initializeOrNot(request: RpcRequest): Promise<JsonObject> {
    let answer: JsonObject | undefined;
    try {
      return (answer = await this.#initialize(request));
    } finally {
      if (answer?.["result"] === undefined && !this.#ended) {
        const started = this.#started;
        this.#started = undefined;
        this.#initializing = false;
        started?.fromServers.close();
        await started?.run.end();
        started?.requests.calls.close();
      }
    }
  }

  async #initialize(request: RpcRequest): Promise<JsonObject> {
    this.#initializing = true;
    const { parts, config, agentId, pins, ownFiles, exchange, gateway, log } = this.#options;
    const params = paramsOf(request);
    const run = await SessionRun.start(parts.audit, {
      front: this.#front.name,
      agentId,
      servers: config.servers.map(({ name }) => name),
      client: params,
      workingFolder: parts.workingFolder,
    });
    const calls = new GuardedCalls(parts, exchange, run, agentId);
    const capabilities = isJsonObject(params["capabilities"]) ? params["capabilities"] : {};
    this.#started = {
      run,
      fromServers: new ServerRequests(calls, capabilities, (message, related) =>
        this.#send(message, related),
      ),
      requests: {
        audit: parts.audit,
        run,
        agentId,
        pins,
        calls,
        ownFiles,
        naming: new Naming(config.servers),
        visibility: new Visibility(parts, agentId),
        owners: new ResourceOwners(),
        upstreams: this.#upstreams.all,
      },
    };
    return answerInitialize(request, this.#upstreams.all, gateway, log);
  }

  #takeNotification(message: RpcNotification): void {
    const params = paramsOf(message);
    switch (message.method) {
      case "notifications/cancelled": {
        const id = params["requestId"];
        // Of a request that is not under way: its answer may just have gone out. Ignored, as the protocol says.
        if (isRequestId(id)) this.#inFlight.get(idKey(id))?.abort(new Error("the client cancelled it"));
        return;
      }
      case "notifications/progress":
        return this.#upstreams.progressOfClient(message);
      case "notifications/initialized":
      case "notifications/roots/list_changed":
        if (this.#started !== undefined) this.#upstreams.notifyAll(message);
        return;
      default:
        // A request without an id would be a request without an answer: nothing is done for it.
        this.#options.log("client", `the notification \`${message.method.slice(0, 100)}\` is not passed on`);
    }
  }

  #takeResponse(response: RpcResponse): void {
    if (!this.#upstreams.settle(response))
      this.#options.log("client", "it answered something that it was not asked, or that has ended");
  }
}
