import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { ownEnvelope, statelessVersion, withMeta } from "../protocol/envelope.js";
import { type RequestId, rpcCode, rpcError, type RpcResponse } from "../protocol/json-rpc.js";
import { spokenVersions, supportedVersions } from "../protocol/versions.js";
import type { Discovered, RequestCompany, UpstreamEvents } from "./connection-types.js";
import { Incoming } from "./incoming.js";
import { RestartPause } from "./restart-pause.js";
import type { Link, OpenLink } from "./link.js";
import { PendingRequests } from "./pending-requests.js";

const initializeMs = 60_000;
/** Servers of before 2026-07-28 may let a question that they do not know lie (MCP 2026-07-28, stdio). */
const discoverMs = 20_000;

/**
 * One server, for one client's session: nothing of one session is ever seen by another. When it ends, everything that
 * waits is told at once, and the next request starts it anew; a request that was under way is never sent again.
 */
export class UpstreamConnection {
  readonly name: string;
  readonly #open: OpenLink;
  readonly #events: UpstreamEvents;
  readonly #gateway: JsonObject;
  readonly #pending = new PendingRequests();
  readonly #incoming: Incoming;
  #link: Link | undefined;
  /** How it is begun with, and begun with again; undefined: not yet. */
  #greeting: { readonly method: "initialize" | "server/discover"; readonly params: JsonObject } | undefined;
  #starting: Promise<void> | undefined;
  readonly #pause = new RestartPause();
  #closed = false;
  /** Whether the one that it stands with was asked to initialize. */
  #isBegun = false;
  /** The id of the question which revisions it speaks, while that is open. */
  #probe: number | undefined;
  /** What it said when it was begun with last: the result of `initialize`, or of `server/discover`. */
  initialized: JsonObject = {};

  /** @param gateway name and version, for what the gateway asks for itself. */
  constructor(name: string, gateway: JsonObject, open: OpenLink, events: UpstreamEvents) {
    this.name = name;
    this.#gateway = gateway;
    this.#open = open;
    this.#events = events;
    this.#incoming = new Incoming(name, this.#pending, events, () => this.isStateless);
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** The client's requests that this server works on, oldest first. */
  get workingOn(): readonly RequestId[] {
    return this.#pending.askedAs;
  }

  /** @throws EffectFailedError `upstream_unavailable` */
  async initialize(params: JsonObject): Promise<RpcResponse> {
    this.#greeting = { method: "initialize", params };
    return this.#begin(this.#greeting, initializeMs);
  }

  /** Whether it is spoken to without a session. */
  get isStateless(): boolean {
    return this.#greeting?.method === "server/discover";
  }

  /** It is begun with without a session when it is needed. */
  expectStateless(): void {
    this.#greeting = { method: "server/discover", params: { _meta: ownEnvelope(this.#gateway) } };
  }

  /**
   * Asks which revisions it speaks, and begins with it if the stateless one is among them. Otherwise it waits as it is
   * to be initialized: no server is started just to be asked.
   *
   * @throws EffectFailedError `upstream_unavailable`
   */
  async discover(): Promise<Discovered> {
    const greeting = { method: "server/discover", params: { _meta: ownEnvelope(this.#gateway) } } as const;
    const response = await this.#begin(greeting, discoverMs);
    const { result } = response;
    const spoken = spokenVersions(response);
    const isOvertaken = this.#greeting?.method === "initialize";
    // One that names it in an error, and does not answer in it, is not to be relied on.
    if (isOvertaken || !isJsonObject(result) || !spoken.includes(statelessVersion))
      return { kind: "other", spoken };
    this.#greeting = greeting;
    this.initialized = result;
    return { kind: "stateless", spoken };
  }

  /**
   * Sends a request and waits for its answer, be it a result or an error.
   *
   * @param message its `id` is replaced.
   * @param along headers that say the same as the message, for servers over HTTP; who hears what comes for the request
   *   when it is a subscription, the acknowledgement first.
   * @throws EffectFailedError `upstream_unavailable`, `upstream_malformed`; the signal's reason.
   */
  async request(
    message: JsonObject,
    signal: AbortSignal,
    { headers, hears }: RequestCompany = {},
  ): Promise<RpcResponse> {
    await this.ready();
    signal.throwIfAborted();
    const { id, message: own, answer } = this.#pending.add(message);
    const onAbort = (): void => {
      this.#link?.cancel(id);
      this.#pending.fail(id, signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (hears !== undefined) this.#incoming.subscribe(id, hears);
    this.#send(own, headers);
    return answer.finally(() => {
      signal.removeEventListener("abort", onAbort);
      this.#incoming.unsubscribe(id);
    });
  }

  /** Asks a stateless server to tell of changes; answered when it ends that, or refuses it. */
  listen(params: JsonObject, hears: RequestCompany["hears"], signal: AbortSignal): Promise<RpcResponse> {
    const message = { jsonrpc: "2.0", method: "subscriptions/listen", params };
    return this.request(message, signal, { hears });
  }

  /** A request of the gateway's own: a stateless server has to be told with each who asks. */
  askFor(
    method: string,
    params: JsonObject,
    envelope: JsonObject,
    signal: AbortSignal,
  ): Promise<RpcResponse> {
    const own = this.isStateless ? withMeta(params, { ...ownEnvelope(this.#gateway), ...envelope }) : params;
    return this.request({ jsonrpc: "2.0", method, params: own }, signal);
  }

  /** A notification, or the answer to a request of the server; dropped while the server is gone. */
  notify(message: JsonObject): void {
    this.#send(message);
  }

  pause(): void {
    this.#link?.pause();
  }

  resume(): void {
    this.#link?.resume();
  }

  /** Everything that waits is told; the server is ended. */
  close(): void {
    this.#closed = true;
    this.#link?.close();
    this.#link = undefined;
    this.#pending.failAll(`\`${this.name}\` was closed`);
  }

  #send(message: JsonObject, headers?: Readonly<Record<string, string>>): void {
    if (this.#link?.send(message, headers) === false) this.#events.slow();
  }

  /** Starts it when it is gone. @throws EffectFailedError `upstream_unavailable` */
  async ready(): Promise<void> {
    if (this.#link !== undefined && this.#starting === undefined) return;
    if (this.#closed) throw new EffectFailedError("upstream_unavailable", `\`${this.name}\` was closed`);
    const { waitMs } = this.#pause;
    if (this.#starting === undefined && waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new EffectFailedError("upstream_unavailable", `\`${this.name}\` ended and is not there yet`, {
        hint: `try again in ${seconds} s`,
      });
    }
    this.#starting ??= this.#restart().finally(() => (this.#starting = undefined));
    await this.#starting;
  }

  async #restart(): Promise<void> {
    if (this.#greeting === undefined)
      throw new EffectFailedError("upstream_unavailable", `\`${this.name}\` was never initialized`);
    if (this.#greeting.method === "server/discover") {
      if ((await this.discover()).kind === "other") throw this.#notAgain();
    } else {
      if ("error" in (await this.#begin(this.#greeting, initializeMs))) throw this.#notAgain();
      this.notify({ jsonrpc: "2.0", method: "notifications/initialized" });
    }
    this.#events.restarted();
  }

  #notAgain(): EffectFailedError {
    const why = `\`${this.name}\` does not let itself be initialized again`;
    return new EffectFailedError("upstream_unavailable", why);
  }

  async #begin(
    { method, params }: { readonly method: string; readonly params: JsonObject },
    waitMs: number,
  ): Promise<RpcResponse> {
    const isProbe = method === "server/discover";
    const own = isProbe || !this.#isBegun ? this.#link : undefined;
    const link = own ?? this.#connect();
    this.#isBegun ||= !isProbe;
    const { id, message, answer } = this.#pending.add({ jsonrpc: "2.0", method, params });
    // A client may fall back before its server has said that it has to: nothing waits for that any more.
    if (this.#probe !== undefined) {
      const why = new EffectFailedError("upstream_unavailable", `\`${this.name}\` is initialized instead`);
      this.#pending.fail(this.#probe, why);
    }
    this.#probe = isProbe ? id : undefined;
    const timer = setTimeout(() => {
      const why = `\`${this.name}\` did not answer ${method} within ${waitMs / 1_000} s`;
      // One that lets the question lie is taken for one that does not know it.
      if (isProbe && this.#greeting === undefined)
        return void this.#pending.settle(rpcError(id, rpcCode.methodNotFound, why) as RpcResponse);
      this.#pending.fail(id, new EffectFailedError("upstream_unavailable", why));
      link.close();
    }, waitMs);
    link.send(message);
    const response = await answer.finally(() => {
      clearTimeout(timer);
      if (this.#probe === id) this.#probe = undefined;
    });
    const { result } = response;
    if (isJsonObject(result) && !isProbe) {
      this.#check(result, link);
      this.initialized = result;
    }
    return response;
  }

  #check(result: JsonObject, link: Link): void {
    const version = result["protocolVersion"];
    if (typeof version === "string" && supportedVersions.includes(version)) return link.agreed(version);
    link.close();
    const said = typeof version === "string" ? `\`${version.slice(0, 40)}\`` : "no revision";
    throw new EffectFailedError("upstream_version", `\`${this.name}\` speaks ${said} of the protocol`, {
      hint: `this gateway speaks ${supportedVersions.join(", ")}`,
    });
  }

  #connect(): Link {
    // One that refused to be initialized, and is asked again: what it was told before does not count.
    this.#link?.close();
    this.#isBegun = false;
    this.#pause.started();
    // A link that was given up may still talk: only the one that stands is listened to.
    let current: Link | undefined = undefined as Link | undefined;
    const isCurrent = (): boolean => current !== undefined && this.#link === current;
    const link = this.#open({
      message: (value, stream) => {
        if (isCurrent()) this.#incoming.take(value, stream);
      },
      undelivered: (id, why) => {
        if (isCurrent())
          this.#pending.fail(
            id,
            new EffectFailedError("upstream_unavailable", `\`${this.name}\` did not answer: ${why}`),
          );
      },
      streams: (id, pausedMs) => {
        const askedAs = isCurrent() ? this.#pending.askedAsOf(id) : undefined;
        if (askedAs !== undefined) this.#events.streams(askedAs, pausedMs);
      },
      closed: (why) => {
        if (isCurrent()) this.#lost(why);
        else if (current === undefined) queueMicrotask(() => isCurrent() && this.#lost(why));
      },
      log: (text) => this.#events.log(text),
    });
    current = link;
    this.#link = link;
    link.onDrain(() => this.#events.drained());
    return link;
  }

  #lost(why: string): void {
    this.#link = undefined;
    this.#pause.ended();
    if (!this.#closed) this.#events.log(`it is gone: ${why}`);
    this.#pending.failAll(`\`${this.name}\` is gone: ${why}`);
  }
}
