import { EffectFailedError } from "../../model/errors.js";
import type { JsonObject, JsonValue } from "../../model/json.js";
import { isJsonObject } from "../../model/json.js";
import {
  readRpcMessage,
  type RequestId,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
} from "../protocol/json-rpc.js";
import { supportedVersions } from "../protocol/versions.js";
import type { Link, OpenLink } from "./link.js";
import { PendingRequests } from "./pending-requests.js";

/** What a connection tells its session. */
export interface UpstreamEvents {
  /** The server asks something of the client; answered with `respond`. */
  request(message: RpcRequest): void;
  notification(message: RpcNotification): void;
  /** How the answer to a request of the client comes: link.ts. */
  streams(id: RequestId, pausedMs: number | undefined): void;
  /** The server is there again, and may be another one than before. */
  restarted(): void;
  /** It does not take messages as fast as they come: no more should be made until `drained`. */
  slow(): void;
  drained(): void;
  log(text: string): void;
}

const initializeMs = 60_000;
const backoffMsMin = 250;
const backoffMsMax = 30_000;
/** A server that ran for so long has recovered. */
const healthyMs = 30_000;

/**
 * One server, for one client's session: nothing of one session is ever seen by another. When it ends, everything that
 * waits is told at once, and the next request starts it anew; a request that was under way is never sent again.
 */
export class UpstreamConnection {
  readonly name: string;
  readonly #open: OpenLink;
  readonly #events: UpstreamEvents;
  readonly #pending = new PendingRequests();
  #link: Link | undefined;
  #initialization: JsonObject | undefined;
  #starting: Promise<void> | undefined;
  #failures = 0;
  #notBefore = 0;
  #startedAt = 0;
  #closed = false;
  /** What it said when it was initialized first. */
  initialized: JsonObject = {};

  constructor(name: string, open: OpenLink, events: UpstreamEvents) {
    this.name = name;
    this.#open = open;
    this.#events = events;
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
    this.#initialization = params;
    return this.#begin();
  }

  /**
   * Sends a request and waits for its answer, be it a result or an error.
   *
   * @param message its `id` is replaced.
   * @throws EffectFailedError `upstream_unavailable`, `upstream_malformed`; the signal's reason.
   */
  async request(message: JsonObject, signal: AbortSignal): Promise<RpcResponse> {
    await this.ready();
    signal.throwIfAborted();
    const { id, message: own, answer } = this.#pending.add(message);
    const onAbort = (): void => {
      const reason = "the gateway does not wait for it any more";
      this.notify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id, reason } });
      this.#pending.fail(id, signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#send(own);
    return answer.finally(() => signal.removeEventListener("abort", onAbort));
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

  #send(message: JsonObject): void {
    if (this.#link?.send(message) === false) this.#events.slow();
  }

  /** Starts it when it is gone. @throws EffectFailedError `upstream_unavailable` */
  async ready(): Promise<void> {
    if (this.#link !== undefined && this.#starting === undefined) return;
    if (this.#closed) throw new EffectFailedError("upstream_unavailable", `\`${this.name}\` was closed`);
    const waitMs = this.#notBefore - performance.now();
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
    if (this.#initialization === undefined)
      throw new EffectFailedError("upstream_unavailable", `\`${this.name}\` was never initialized`);
    const response = await this.#begin();
    if ("error" in response)
      throw new EffectFailedError(
        "upstream_unavailable",
        `\`${this.name}\` does not let itself be initialized again`,
      );
    this.notify({ jsonrpc: "2.0", method: "notifications/initialized" });
    this.#events.restarted();
  }

  async #begin(): Promise<RpcResponse> {
    const link = this.#connect();
    const { id, message, answer } = this.#pending.add({
      jsonrpc: "2.0",
      method: "initialize",
      params: this.#initialization ?? {},
    });
    const timer = setTimeout(() => {
      const why = `\`${this.name}\` did not answer initialize within ${initializeMs / 1_000} s`;
      this.#pending.fail(id, new EffectFailedError("upstream_unavailable", why));
      link.close();
    }, initializeMs);
    link.send(message);
    const response = await answer.finally(() => clearTimeout(timer));
    const { result } = response;
    if (isJsonObject(result)) {
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
    this.#startedAt = performance.now();
    // A link that was given up may still talk: only the one that stands is listened to.
    let current: Link | undefined = undefined as Link | undefined;
    const isCurrent = (): boolean => current !== undefined && this.#link === current;
    const link = this.#open({
      message: (value) => {
        if (isCurrent()) this.#take(value);
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
    if (performance.now() - this.#startedAt > healthyMs) this.#failures = 0;
    const waitMs = Math.min(backoffMsMin * 2 ** this.#failures++, backoffMsMax);
    // The first restart is at once: a server that ends after each call is slow, and not broken.
    this.#notBefore = performance.now() + (this.#failures === 1 ? 0 : waitMs);
    if (!this.#closed) this.#events.log(`it is gone: ${why}`);
    this.#pending.failAll(`\`${this.name}\` is gone: ${why}`);
  }

  #take(value: JsonValue): void {
    const read = readRpcMessage(value);
    switch (read.kind) {
      case "request":
        return this.#events.request(read.message);
      case "notification":
        return this.#takeNotification(read.message);
      case "response": {
        const stray = this.#pending.settle(read.message);
        if (stray !== undefined) this.#events.log(stray);
        return;
      }
      case "malformed": {
        this.#events.log(`a message of it is malformed: ${read.why}`);
        if (read.id === undefined) return;
        // Whoever waits for it would wait for ever.
        const why = `\`${this.name}\` gave an answer that is none: ${read.why}`;
        this.#pending.fail(read.id, new EffectFailedError("upstream_malformed", why));
      }
    }
  }

  #takeNotification(message: RpcNotification): void {
    if (message.method !== "notifications/progress") return this.#events.notification(message);
    const progress = this.#pending.progress(message);
    // Progress of what nobody waits for is dropped: its answer may just have overtaken it.
    if (progress !== undefined) this.#events.notification(progress as RpcNotification);
  }
}
