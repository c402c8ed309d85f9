import { Agent, fetch, type Response } from "undici";
import { readEventStream } from "../../../src/gateway/upstream/event-stream.js";
import type { JsonObject } from "../../../src/model/json.js";
import type { Message } from "../client.js";

/** What came back: the status, and all messages, in the order in which they came. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly messages: readonly Message[];
}

/** A client at the level of HTTP: it sends what it is told to, and keeps what comes back. */
export class HttpClient {
  readonly url: string;
  token: string;
  session: string | undefined;
  readonly listened: Message[] = [];
  /** What it answers to requests of the other side; undefined: nothing. */
  answers: (request: Message) => JsonObject | undefined = () => undefined;
  readonly #stop = new AbortController();
  readonly #dispatcher: Agent;
  #last = 0;

  /** @param connections at most, as one process has them; further requests wait. */
  constructor(url: string, token: string, connections = 128) {
    this.url = url;
    this.token = token;
    this.#dispatcher = new Agent({ connections });
  }

  headers(more: Record<string, string> = {}): Record<string, string> {
    return {
      authorization: `Bearer ${this.token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...(this.session === undefined ? {} : { "mcp-session-id": this.session }),
      ...more,
    };
  }

  /** @param body text as it is, or a message. */
  async post(
    body: string | JsonObject,
    more: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(this.url, {
      dispatcher: this.#dispatcher,
      method: "POST",
      headers: this.headers(more),
      body: typeof body === "string" ? body : JSON.stringify(body),
      signal: signal ?? this.#stop.signal,
    });
    return this.#read(response);
  }

  async send(method: string, more: Record<string, string> = {}): Promise<Answer> {
    return this.#read(
      await fetch(this.url, {
        dispatcher: this.#dispatcher,
        method,
        headers: this.headers(more),
      }),
    );
  }

  /** What comes back to a message, as it stands on the wire. */
  async raw(body: JsonObject): Promise<string> {
    const init = { method: "POST", headers: this.headers(), body: JSON.stringify(body) };
    return (await fetch(this.url, { ...init, dispatcher: this.#dispatcher })).text();
  }

  async initialize(capabilities: JsonObject = {}, protocolVersion = "2025-11-25"): Promise<Message> {
    const clientInfo = { name: "test", version: "1" };
    const params = { protocolVersion, capabilities, clientInfo };
    const answer = await this.post({ jsonrpc: "2.0", id: "init", method: "initialize", params });
    this.session = answer.headers.get("mcp-session-id") ?? undefined;
    await this.post({ jsonrpc: "2.0", method: "notifications/initialized" });
    return answer.messages.at(-1) as Message;
  }

  async request(
    method: string,
    params: JsonObject = {},
    id: string | number = ++this.#last,
  ): Promise<Answer> {
    return this.post({ jsonrpc: "2.0", id, method, params });
  }

  async call(name: string, args: JsonObject = {}, more: JsonObject = {}): Promise<Message> {
    const { messages } = await this.request("tools/call", { name, arguments: args, ...more });
    return messages.at(-1) as Message;
  }

  /** Opens the stream for what belongs to no request; settles when it is open. */
  async listen(lastEventId?: string): Promise<{ readonly ended: Promise<void> }> {
    const response = await fetch(this.url, {
      dispatcher: this.#dispatcher,
      headers: this.headers({
        accept: "text/event-stream",
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      }),
      signal: this.#stop.signal,
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const ended = this.#read(response, (message) => void this.listened.push(message)).then(
      () => undefined,
      () => undefined,
    );
    return { ended };
  }

  /** Drops all its connections, as a process that is killed does. */
  vanish(): void {
    this.#stop.abort();
  }

  async #read(response: Response, each: (message: Message) => void = () => undefined): Promise<Answer> {
    const type = response.headers.get("content-type") ?? "";
    const messages: Message[] = [];
    const take = (text: string): void => {
      const message = JSON.parse(text) as Message;
      messages.push(message);
      each(message);
      if (message.method === undefined || message.id === undefined || message.id === null) return;
      const answer = this.answers(message);
      if (answer !== undefined) void this.post({ jsonrpc: "2.0", id: message.id, ...answer });
    };
    if (type === "text/event-stream" && response.body !== null) {
      for await (const event of readEventStream(response.body, 64 * 1024 * 1024)) {
        if (event.type === "message") take(event.data);
      }
    } else {
      const text = await response.text();
      if (text !== "") take(text);
    }
    return { status: response.status, type, headers: response.headers, messages };
  }
}

/** The code that a refusal tells its client. */
export function reasonOf({ messages }: Answer): unknown {
  const { error } = (messages[0] ?? {}) as { error?: { data?: { reason?: unknown } } };
  return error?.data?.reason;
}
