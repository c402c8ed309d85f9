import { AuditUnavailableError, EffectFailedError } from "../../model/errors.js";
import type { JsonObject, JsonValue } from "../../model/json.js";
import type { GatewayConfig } from "../config/config-file.js";
import type { Front } from "../front/front.js";
import type { OwnFiles } from "../mapping/own-files.js";
import type { PinLog } from "../pins/pin-log.js";
import { claimOf, envelopeFault, faultAnswer, statelessVersion } from "../protocol/envelope.js";
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
  rpcResult,
} from "../protocol/json-rpc.js";
import { supportedVersions } from "../protocol/versions.js";
import { AuthorityWatch } from "./authority-watch.js";
import { answerDiscover } from "./discovery.js";
import type { Era } from "./era.js";
import type { Exchange } from "./exchange.js";
import type { SessionParts } from "./guarded-calls.js";
import { LegacyEra } from "./legacy-era.js";
import type { RequestStates } from "./request-state.js";
import { beginGround } from "./session-ground.js";
import { SessionUpstreams } from "./session-upstreams.js";
import { type Spoken, StatelessProbe } from "./stateless-probe.js";
import { StatelessEra } from "./stateless-era.js";

export interface SessionOptions {
  readonly parts: SessionParts;
  readonly config: GatewayConfig;
  readonly agentId: string;
  readonly pins: PinLog;
  readonly ownFiles: OwnFiles;
  readonly exchange: Exchange;
  readonly states: RequestStates;
  /** What the gateway knows of its servers' revisions. */
  readonly spoken: Spoken;
  readonly gateway: { readonly name: string; readonly version: string };
  /** For the operator. */
  readonly log: (server: string, text: string) => void;
}

/**
 * One client's connection, from its first message to its last: what it sends is understood here, and answered by the
 * era that it speaks. It has servers of its own, and a run of its own in the log.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #front: Front;
  readonly #upstreams: SessionUpstreams;
  readonly #probe: StatelessProbe;
  readonly #inFlight = new Map<string, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #watch: AuthorityWatch;
  readonly ended: Promise<void>;
  #era: Era | undefined;
  /** Which of both was begun, and its beginning: one connection speaks one. */
  #begun: "initialize" | "stateless" | undefined;
  #beginning: Promise<Era> | undefined;
  #ended = false;
  #tellEnded: () => void = () => undefined;

  constructor(front: Front, options: SessionOptions) {
    this.#options = options;
    this.#front = front;
    this.ended = new Promise((resolve) => (this.#tellEnded = resolve));
    this.#upstreams = new SessionUpstreams(options.config, options.gateway, {
      toClient: (message, related) => this.#era?.said(message, related),
      streams: (request, pausedMs) => front.streams?.(request, pausedMs),
      asks: (upstream, request) => this.#track(this.#era?.asked(upstream, request)),
      cancels: (upstream, id) => this.#era?.cancelled(upstream, id),
      changed: (list) => this.#era?.changed(list),
      restarted: (upstream) => this.#era?.restarted(upstream),
      mayRead: (upstream, uri) => this.#era?.mayRead(upstream, uri) ?? false,
      slow: () => front.pause(),
      fast: () => front.resume(),
      log: options.log,
    });
    this.#probe = new StatelessProbe(this.#upstreams.all, options.spoken, options.log);
    this.#watch = new AuthorityWatch(options.parts.audit, options.agentId, () =>
      this.#era?.authorityChanged(),
    );
    front.start({
      message: (value, headers) => this.#take(value, headers),
      unreadable: (why) => this.#send(rpcError(null, rpcCode.parseError, why)),
      ended: (why) => void this.close(why),
      drained: () => this.#upstreams.resume(),
    });
  }

  /** Ends everything that is under way, and the run. Idempotent. */
  async close(why: string): Promise<void> {
    if (this.#ended) return this.ended;
    this.#ended = true;
    this.#watch.close();
    this.#era?.close();
    for (const controller of this.#inFlight.values()) controller.abort(new Error(why));
    this.#upstreams.close();
    // Each step ends, with a record, before the run does.
    await Promise.all(this.#tasks);
    // It may have begun just now.
    this.#era?.close();
    await this.#era?.end();
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

  #take(value: JsonValue, headers: ReadonlyMap<string, string> | undefined): void {
    if (this.#ended) return;
    const read = readRpcMessage(value);
    switch (read.kind) {
      case "malformed":
        return this.#send(rpcError(read.id ?? null, rpcCode.invalidRequest, read.why));
      case "response":
        return this.#era?.answered(read.message);
      case "notification":
        return this.#takeNotification(read.message);
      case "request":
        return this.#takeRequest(read.message, headers);
    }
  }

  #takeRequest(request: RpcRequest, headers: ReadonlyMap<string, string> | undefined): void {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) return this.#send(refusal);
    if (request.method === "ping" && this.#isOfSession(request)) return this.#send(rpcResult(request.id, {}));
    if (request.method === "initialize") this.#begun = "initialize";
    const key = idKey(request.id);
    const controller = new AbortController();
    this.#inFlight.set(key, controller);
    this.#track(
      this.#answer(request, controller.signal, headers)
        .then((answer) => {
          if (answer !== undefined) this.#send(answer);
        })
        .finally(() => this.#inFlight.delete(key)),
    );
  }

  #isInitialized(): boolean {
    return this.#begun === "initialize";
  }

  /** A request that says its revision itself is of none with a session, unless one was begun. */
  #isOfSession(request: RpcRequest): boolean {
    return this.#isInitialized() || claimOf(request) === undefined;
  }

  /** What is refused before it means anything: it is not a request of this connection at this time. */
  #refusalOf(request: RpcRequest): JsonObject | undefined {
    const { id, method } = request;
    const { inFlightMax } = this.#options.config;
    if (this.#inFlight.has(idKey(id))) return rpcError(id, rpcCode.invalidRequest, "this id is in use");
    if (this.#inFlight.size >= inFlightMax)
      return rpcError(id, rpcCode.unavailable, `more than ${inFlightMax} requests at a time`);
    if (method === "initialize") return this.#refusalToInitialize(request);
    const claim = claimOf(request);
    if (claim !== undefined && !this.#isInitialized()) {
      const fault = envelopeFault(request, claim);
      return fault === undefined ? undefined : faultAnswer(id, fault);
    }
    // A client that speaks both falls back to `initialize` on this answer (MCP 2026-07-28, stdio).
    if (method === "server/discover") return rpcError(id, rpcCode.methodNotFound, "use `initialize`");
    // A server that speaks both could take it for what it says, and ask in its answer: nothing here would see to that.
    if (claim !== undefined)
      return rpcError(
        id,
        rpcCode.invalidRequest,
        "this session was initialized, and its requests are of that revision",
      );
    if (this.#begun === "stateless") return faultAnswer(id, unclaimed);
    if (this.#era === undefined && method !== "ping")
      return rpcError(id, rpcCode.invalidRequest, "begin with `initialize`");
    return undefined;
  }

  #refusalToInitialize({ id, params }: RpcRequest): JsonObject | undefined {
    if (this.#begun === "initialize")
      return rpcError(id, rpcCode.invalidRequest, "this session is initialized");
    if (this.#begun === undefined) return undefined;
    const requested = (params as JsonObject | undefined)?.["protocolVersion"] ?? null;
    const data = { supported: [statelessVersion], requested };
    return rpcError(id, rpcCode.unsupportedVersion, `this connection speaks ${statelessVersion}`, data);
  }

  async #answer(
    request: RpcRequest,
    signal: AbortSignal,
    headers: ReadonlyMap<string, string> | undefined,
  ): Promise<JsonObject | undefined> {
    try {
      if (this.#begun !== "initialize") {
        // The client may have fallen back while its servers were asked.
        const isSpoken = await this.#probe.isSpoken();
        if (!isSpoken || this.#isInitialized()) return this.#steer(request);
        if (request.method === "server/discover")
          return answerDiscover(request, this.#upstreams.all, this.#options.gateway);
        this.#begun = "stateless";
      }
      this.#era = await (this.#beginning ??= this.#begin(request));
      if (request.method === "initialize") return await this.#initializeOrNot(this.#era, request, signal);
      return await this.#era.answer(request, signal, headers);
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
  async #initializeOrNot(
    era: Era,
    request: RpcRequest,
    signal: AbortSignal,
  ): Promise<JsonObject | undefined> {
    let answer: JsonObject | undefined;
    try {
      return (answer = await era.answer(request, signal, undefined));
    } finally {
      if (answer?.["result"] === undefined && !this.#ended) {
        [this.#era, this.#beginning, this.#begun] = [undefined, undefined, undefined];
        era.close();
        await era.end();
      }
    }
  }

  /** @param request the first one: `initialize`, or any that says its revision. */
  async #begin(request: RpcRequest): Promise<Era> {
    try {
      return await this.#beginEra(request);
    } catch (error) {
      // What cannot be recorded now may be when it is asked for again.
      [this.#beginning, this.#begun] = [undefined, undefined];
      throw error;
    }
  }

  async #beginEra(request: RpcRequest): Promise<Era> {
    const facts = { front: this.#front.name, client: paramsOf(request) };
    const toClient = (message: JsonObject, related: readonly RequestId[]): void =>
      this.#send(message, related);
    const ground = await beginGround(this.#options, this.#upstreams, facts, toClient);
    return this.#begun === "initialize"
      ? new LegacyEra(ground, request)
      : new StatelessEra(ground, this.#options.states);
  }

  /** The servers do not speak the revision that a request is of: what they speak is said in the way that clients know. */
  #steer({ id, method, params }: RpcRequest): JsonObject {
    const supported = [...supportedVersions];
    const text = `the servers here speak revisions with \`initialize\`: ${supported.join(", ")}`;
    if (this.#front.isStateless === true) {
      // Nothing else can come of it: the next request may find other servers.
      setImmediate(() => void this.close("its servers speak other revisions"));
      return rpcError(id, rpcCode.unavailable, text, { reason: "unsupported_version", supported });
    }
    if (method === "server/discover") return rpcError(id, rpcCode.methodNotFound, text, { supported });
    const requested = claimOf({ params: params ?? {} }) ?? null;
    return rpcError(id, rpcCode.unsupportedVersion, text, { supported, requested });
  }

  #takeNotification(message: RpcNotification): void {
    if (message.method !== "notifications/cancelled") return this.#era?.notified(message);
    const id = paramsOf(message)["requestId"];
    // Of a request that is not under way: its answer may just have gone out. Ignored, as the protocol says.
    if (isRequestId(id)) this.#inFlight.get(idKey(id))?.abort(new Error("the client cancelled it"));
  }
}

const unclaimed = {
  code: rpcCode.invalidParams,
  message: `each request of ${statelessVersion} has to say so in \`_meta\``,
};
