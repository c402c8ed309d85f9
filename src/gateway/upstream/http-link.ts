import type { JsonObject } from "../../model/json.js";
import { claimOf } from "../protocol/envelope.js";
import { isRequestId, type RequestId } from "../protocol/json-rpc.js";
import { type MessageLimits, readJson } from "../protocol/line-reader.js";
import { readEventStream, type StreamEvent } from "./event-stream.js";
import { Gate } from "./gate.js";
import { isAnswerTo, readBody, reasonOf, refusalOf, refusesSession } from "./http-answer.js";
import { cancellation, type Link, type LinkEvents, type OpenLink } from "./link.js";
import { statelessHeaders } from "./stateless-headers.js";

/** How a streamable HTTP server is reached. */
export interface HttpServer {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const retryMsDefault = 1_000;
const resumptionsMax = 20;

/** A server at a URL (MCP, streamable HTTP transport): one request for each message, and a stream for each answer. */
export function httpLink(server: HttpServer, limits: MessageLimits): OpenLink {
  return (events) => new HttpLink(server, limits, events);
}

class HttpLink implements Link {
  readonly #server: HttpServer;
  readonly #limits: MessageLimits;
  readonly #events: LinkEvents;
  readonly #gate = new Gate();
  readonly #stop = new AbortController();
  #session: string | undefined;
  #version: string | undefined;
  /** What has to have arrived before anything else is sent: notifications keep their order among the rest. */
  #before: Promise<void> = Promise.resolve();
  /** Requests of the stateless revision that are under way: their connections are closed to cancel them. */
  readonly #stateless = new Map<RequestId, AbortController>();
  #closed = false;

  constructor(server: HttpServer, limits: MessageLimits, events: LinkEvents) {
    this.#server = server;
    this.#limits = limits;
    this.#events = events;
  }

  /** What is under way is bounded by the session, so it is never too slow to take one more. */
  send(message: JsonObject, headers: Readonly<Record<string, string>> = {}): boolean {
    const id = isRequestId(message["id"]) && message["method"] !== undefined ? message["id"] : undefined;
    // With a server that was initialized, a session says more than a request does.
    if (id !== undefined && this.#version === undefined && claimOf(message) !== undefined) {
      void this.#ask(message, id, headers);
      return true;
    }
    const sent = this.#before.then(() => this.#post(message, id));
    if (id === undefined) this.#before = sent;
    return true;
  }

  cancel(id: RequestId): void {
    const stateless = this.#stateless.get(id);
    if (stateless === undefined) this.send(cancellation(id));
    else stateless.abort();
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
    for (const asked of this.#stateless.values()) asked.abort();
    this.#gate.open();
    if (this.#session !== undefined) {
      // The server may keep it for ever otherwise; whether it hears of it changes nothing here.
      const signal = AbortSignal.timeout(1_000);
      fetch(this.#server.url, {
        method: "DELETE",
        headers: this.#headers(),
        redirect: "manual",
        signal,
      }).then(
        (response) => response.body?.cancel(),
        () => this.#events.log("it could not be told that the session is over"),
      );
    }
    this.#events.closed(why);
  }

  /** A request of the stateless revision: all that the server has to know stands in it. */
  async #ask(message: JsonObject, id: RequestId, headers: Readonly<Record<string, string>>): Promise<void> {
    if (this.#closed) return;
    const cancelled = new AbortController();
    this.#stateless.set(id, cancelled);
    try {
      const response = await fetch(this.#server.url, {
        method: "POST",
        headers: {
          ...this.#ownHeaders(),
          ...headers,
          ...statelessHeaders(message),
          "content-type": "application/json",
        },
        body: JSON.stringify(message),
        redirect: "manual",
        signal: cancelled.signal,
      });
      if (response.ok) return await this.#readAnswer(response, id, false);
      const refusal = await refusalOf(response, id, message["method"] === "server/discover");
      if (refusal === undefined) this.#fail(id, (await this.#refusalOf(response)) ?? "");
      else this.#events.message(refusal, id);
    } catch (error) {
      this.#fail(id, reasonOf(error));
    } finally {
      this.#stateless.delete(id);
    }
  }

  async #post(message: JsonObject, id: RequestId | undefined): Promise<void> {
    if (this.#closed) return;
    try {
      const response = await fetch(this.#server.url, {
        method: "POST",
        headers: { ...this.#headers(), "content-type": "application/json" },
        body: JSON.stringify(message),
        // A redirect would take the headers, secrets among them, to wherever it says.
        redirect: "manual",
        signal: this.#stop.signal,
      });
      const refused = await this.#refusalOf(response);
      if (refused !== undefined) return this.#fail(id, refused);
      if (message["method"] === "initialize") this.#begin(response);
      if (message["method"] === "notifications/initialized") void this.#listen();
      // A notification is over when it was taken; the answer to a request is read beside what follows it.
      if (id === undefined) await response.body?.cancel();
      else await this.#readAnswer(response, id, true);
    } catch (error) {
      this.#fail(id, reasonOf(error));
    }
  }

  #ownHeaders(): Record<string, string> {
    return {
      ...Object.fromEntries(this.#server.headers),
      accept: "application/json, text/event-stream",
    };
  }

  #headers(): Record<string, string> {
    return {
      ...this.#ownHeaders(),
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

  async #readAnswer(response: Response, id: RequestId, isResumable: boolean): Promise<void> {
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type === "application/json") return this.#take(await readBody(response, this.#limits.bytesMax), id);
    if (type !== "text/event-stream") {
      await response.body?.cancel();
      return this.#fail(id, "its answer is neither JSON nor a stream of events");
    }
    let answered = false;
    let last: StreamEvent | undefined;
    let stream: Response | undefined = response;
    for (let attempt = 0; stream !== undefined && !answered && attempt < resumptionsMax; attempt++) {
      for await (const event of this.#eventsOf(stream)) {
        last = event;
        if (event.type !== "message") continue;
        answered ||= isAnswerTo(event.data, id);
        this.#take(Buffer.from(event.data, "utf8"), id);
      }
      stream = answered || !isResumable ? undefined : await this.#resume(last);
    }
    if (!answered) this.#fail(id, "its stream ended before the answer");
  }

  /** A stream that ended early is taken up where it ended (MCP 2025-11-25, resumability). */
  async #resume(last: StreamEvent | undefined): Promise<Response | undefined> {
    if (last?.lastId === undefined || this.#closed) return undefined;
    await new Promise((resolve) => setTimeout(resolve, last.retryMs ?? retryMsDefault));
    if (this.#closed) return undefined;
    const response = await fetch(this.#server.url, {
      headers: { ...this.#headers(), accept: "text/event-stream", "last-event-id": last.lastId },
      redirect: "manual",
      signal: this.#stop.signal,
    });
    if (response.ok) return response;
    await response.body?.cancel();
    return undefined;
  }

  /** What a server says without having been asked, for as long as it offers such a stream. */
  async #listen(): Promise<void> {
    let last: StreamEvent | undefined;
    try {
      for (let attempt = 0; !this.#closed && attempt < resumptionsMax; attempt++) {
        const response = await fetch(this.#server.url, {
          headers: {
            ...this.#headers(),
            accept: "text/event-stream",
            ...(last?.lastId === undefined ? {} : { "last-event-id": last.lastId }),
          },
          redirect: "manual",
          signal: this.#stop.signal,
        });
        if (!response.ok || !(response.headers.get("content-type") ?? "").includes("text/event-stream")) {
          await response.body?.cancel();
          return;
        }
        for await (const event of this.#eventsOf(response)) {
          // It is alive: the count is of attempts in vain.
          attempt = 0;
          last = event;
          if (event.type === "message") this.#take(Buffer.from(event.data, "utf8"));
        }
        await new Promise((resolve) => setTimeout(resolve, last?.retryMs ?? retryMsDefault));
      }
    } catch (error) {
      if (!this.#closed) this.#events.log(`its stream of notifications ended: ${reasonOf(error)}`);
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
