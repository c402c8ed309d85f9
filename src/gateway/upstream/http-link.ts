import { setTimeout as pause } from "node:timers/promises";
import { EffectFailedError } from "../../model/errors.js";
import type { JsonObject } from "../../model/json.js";
import { claimOf } from "../protocol/envelope.js";
import { isRequestId, paramsOf, type RequestId } from "../protocol/json-rpc.js";
import { type MessageLimits, readJson } from "../protocol/line-reader.js";
import { readEventStream, type StreamEvent } from "./event-stream.js";
import { Gate } from "./gate.js";
import type { Asking, HttpServer } from "./http-server.js";
import { isAnswerTo, readBody, reasonOf, refusesSession } from "./http-answer.js";
import { challengeText, readChallenge } from "./oauth/challenge.js";
import { attemptsInVainMax, readToAnswer, retryMsDefault } from "./read-to-answer.js";
import { cancellation, type Link, type LinkEvents, type OpenLink } from "./link.js";
import { StatelessAsks } from "./stateless-asks.js";

/** A server at a URL (MCP, streamable HTTP transport): one request for each message, and a stream for each answer. */
export function httpLink(server: HttpServer, limits: MessageLimits): OpenLink {
  return (events) => new HttpLink(server, limits, events);
}

const cancelledMethod = "notifications/cancelled";

class HttpLink implements Link {
  readonly #server: HttpServer;
  readonly #limits: MessageLimits;
  readonly #events: LinkEvents;
  readonly #gate = new Gate();
  readonly #stop = new AbortController();
  /** What is read as an answer, by the request. */
  readonly #answers = new Map<RequestId, AbortController>();
  #session: string | undefined;
  #version: string | undefined;
  /** What has to have arrived before anything else is sent: notifications keep their order among the rest. */
  #before: Promise<void> = Promise.resolve();
  readonly #stateless: StatelessAsks;
  #closed = false;
  #told: string | undefined;

  constructor(server: HttpServer, limits: MessageLimits, events: LinkEvents) {
    this.#server = server;
    this.#limits = limits;
    this.#events = events;
    this.#stateless = new StatelessAsks({
      post: (headers, body, signal) =>
        this.#fetch({ method: "POST", headers: { ...this.#headers(), ...headers }, body, signal }),
      events: (response) => this.#eventsOf(response),
      bytesMax: limits.bytesMax,
      take: (text, id) => this.#take(text, id),
      message: (message, id) => this.#events.message(message, id),
      refused: (response) => this.#refusalOf(response),
      failed: (id, why) => this.#fail(id, why),
    });
  }

  /** What is under way is bounded by the session, so it is never too slow to take one more. */
  send(message: JsonObject, headers: Readonly<Record<string, string>> = {}): boolean {
    const id = isRequestId(message["id"]) && message["method"] !== undefined ? message["id"] : undefined;
    // With a server that was initialized, a session says more than a request does.
    if (id !== undefined && this.#version === undefined && claimOf(message) !== undefined) {
      if (!this.#closed) void this.#stateless.ask(message, id, headers);
      return true;
    }
    const sent = this.#before.then(() => this.#post(message, id));
    if (id === undefined) this.#before = sent;
    return true;
  }

  cancel(id: RequestId): void {
    if (!this.#stateless.cancel(id)) this.send(cancellation(id));
  }

  agreed(protocolVersion: string): void {
    this.#version = protocolVersion;
  }

  pause(): void {
    this.#gate.shut();
  }

  resume(): void {
    this.#gate.open();
  }

  onDrain(): void {
    // `send` never says that it is slow.
  }

  close(): void {
    this.#end("the gateway ended it");
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop.abort();
    for (const answer of this.#answers.values()) answer.abort();
    this.#stateless.close();
    this.#gate.open();
    if (this.#session !== undefined) {
      // The server may keep it for ever otherwise; whether it hears of it changes nothing here.
      const signal = AbortSignal.timeout(1_000);
      this.#fetch({ method: "DELETE", headers: this.#headers(), signal }).then(
        (response) => response.body?.cancel(),
        () => this.#events.log("it could not be told that the session is over"),
      );
    }
    this.#events.closed(why);
  }

  async #post(message: JsonObject, id: RequestId | undefined): Promise<void> {
    if (this.#closed) return;
    const given = new AbortController();
    const { signal } = id === undefined ? this.#stop : given;
    if (id !== undefined) this.#answers.set(id, given);
    try {
      const response = await this.#fetch({
        method: "POST",
        headers: { ...this.#headers(), "content-type": "application/json" },
        body: JSON.stringify(message),
        signal,
      });
      const refused = await this.#refusalOf(response);
      if (refused !== undefined) return this.#fail(id, refused);
      if (message["method"] === "initialize") this.#begin(response);
      if (message["method"] === "notifications/initialized") void this.#listen();
      // A notification is over when it was taken; the answer to a request is read beside what follows it.
      if (id === undefined) await response.body?.cancel();
      else await this.#readAnswer(response, id, signal);
    } catch (error) {
      this.#fail(id, reasonOf(error));
    } finally {
      if (id !== undefined) this.#answers.delete(id);
    }
    // Nobody waits for that answer any more: its stream would stay open for as long as the server likes.
    const cancelled = message["method"] === cancelledMethod ? paramsOf(message)["requestId"] : undefined;
    if (isRequestId(cancelled)) this.#answers.get(cancelled)?.abort(new Error("it was cancelled"));
  }

  /** With a token where the server has one to be had; asked again once, when the server wants another one. */
  async #fetch(init: Asking): Promise<Response> {
    const { tokens } = this.#server;
    if (tokens === undefined) return this.#fetchOnce(init);
    try {
      const used = await tokens.token();
      const response = await this.#fetchOnce(init, used);
      if (response.status !== 401) return response;
      // 401 says that nothing was done: it is the one answer after which a message is sent again.
      const other = await tokens.refused(used, response.headers.get("www-authenticate"));
      if (other === undefined) return response;
      await response.body?.cancel();
      return await this.#fetchOnce(init, other);
    } catch (error) {
      if (error instanceof EffectFailedError) this.#tell(error.message);
      throw error;
    }
  }

  /** What the operator has to do something about: once, and not for each call. */
  #tell(text: string): void {
    if (this.#told !== text) this.#events.log(text);
    this.#told = text;
  }

  async #fetchOnce(init: Asking, token?: string): Promise<Response> {
    return fetch(this.#server.url, {
      signal: this.#stop.signal,
      ...init,
      headers: { ...init.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      // A redirect would take the headers, secrets among them, to wherever it says.
      redirect: "manual",
    });
  }

  #headers(): Record<string, string> {
    return {
      ...Object.fromEntries(this.#server.headers),
      accept: "application/json, text/event-stream",
      ...(this.#session === undefined ? {} : { "mcp-session-id": this.#session }),
      ...(this.#version === undefined ? {} : { "mcp-protocol-version": this.#version }),
    };
  }

  async #refusalOf(response: Response): Promise<string | undefined> {
    if (response.ok) return undefined;
    const isGone =
      this.#session !== undefined && (response.status === 404 || (await refusesSession(response)));
    if (!response.bodyUsed) await response.body?.cancel();
    // The server gave the session up: it has to be begun anew, and what was under way is not sent again.
    if (isGone) {
      this.#session = undefined;
      this.#end("it ended the session");
    }
    if (response.status === 401) {
      const text = challengeText(readChallenge(response.headers.get("www-authenticate")));
      this.#tell(text);
      return text;
    }
    if (response.status >= 300 && response.status < 400)
      return "it answered with a redirect, which is not followed";
    return `it answered with status ${response.status}`;
  }

  #begin(response: Response): void {
    const session = response.headers.get("mcp-session-id");
    if (session !== null && /^[\x21-\x7e]{1,1024}$/.test(session)) this.#session = session;
  }

  #fail(id: RequestId | undefined, why: string): void {
    if (this.#closed) return;
    if (id === undefined) this.#events.log(`a message could not be delivered: ${why}`);
    else this.#events.undelivered(id, why);
  }

  async #readAnswer(response: Response, id: RequestId, signal: AbortSignal): Promise<void> {
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type === "application/json") return this.#take(await readBody(response, this.#limits.bytesMax));
    if (type !== "text/event-stream") {
      await response.body?.cancel();
      return this.#fail(id, "its answer is neither JSON nor a stream of events");
    }
    this.#events.streams?.(id);
    const why = await readToAnswer(
      response,
      {
        read: (stream) => this.#eventsOf(stream),
        take: (event) => {
          if (event.type !== "message") return false;
          this.#take(Buffer.from(event.data, "utf8"));
          return isAnswerTo(event.data, id);
        },
        again: (lastEventId) => this.#again(lastEventId, signal),
        paused: (ms) => this.#events.streams?.(id, ms),
      },
      signal,
    );
    if (why !== undefined) this.#fail(id, why);
  }

  async #again(lastEventId: string, signal: AbortSignal): Promise<Response | { readonly refused: string }> {
    const response = await this.#fetch({
      headers: { ...this.#headers(), accept: "text/event-stream", "last-event-id": lastEventId },
      signal,
    });
    const refused = await this.#refusalOf(response);
    return refused === undefined ? response : { refused };
  }

  /** What a server says without having been asked, for as long as it offers such a stream. */
  async #listen(): Promise<void> {
    let last: StreamEvent | undefined;
    for (let inVain = 0; !this.#closed && inVain < attemptsInVainMax; inVain++) {
      try {
        const response = await this.#fetch({
          headers: {
            ...this.#headers(),
            accept: "text/event-stream",
            ...(last?.lastId === undefined ? {} : { "last-event-id": last.lastId }),
          },
        });
        if (!response.ok || !(response.headers.get("content-type") ?? "").includes("text/event-stream")) {
          await response.body?.cancel();
          return;
        }
        for await (const event of this.#eventsOf(response)) {
          inVain = 0;
          last = event;
          if (event.type === "message") this.#take(Buffer.from(event.data, "utf8"));
        }
      } catch (error) {
        if (!this.#closed) this.#events.log(`its stream of notifications was cut: ${reasonOf(error)}`);
      }
      if (!this.#closed) await pause(last?.retryMs ?? retryMsDefault, undefined, { ref: false });
    }
  }

  async *#eventsOf(response: Response): AsyncGenerator<StreamEvent> {
    if (response.body === null) return;
    for await (const event of readEventStream(response.body, this.#limits.bytesMax)) {
      await this.#gate.passed();
      if (this.#closed) return;
      yield event;
    }
  }

  #take(text: Buffer, stream?: RequestId): void {
    if (this.#closed) return;
    const read = readJson(text, this.#limits);
    if (read.kind === "value") this.#events.message(read.value, stream);
    else this.#events.log(`an answer of it is no message: ${read.why}`);
  }
}
