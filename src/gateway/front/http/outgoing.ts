import type { ServerResponse } from "node:http";
import type { JsonObject } from "../../../model/json.js";
import type { HttpLimits } from "./limits.js";

/** How often a stream says that it is there: proxies cut silent ones, and a client that vanished is found out, ms. */
const aliveMs = 25_000;
/** What waits behind the end of an answer and is no reason to slow anybody down. */
const smallBytes = 64 * 1024;

const always = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

/** The answer to one HTTP request: one JSON document, or a stream of events when something comes before it. */
export class Outgoing {
  readonly #response: ServerResponse;
  readonly #limits: HttpLimits;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #drained: () => void;
  #alive: NodeJS.Timeout | undefined;
  #slow: NodeJS.Timeout | undefined;
  #ended = false;

  /**
   * @param headers beside those that it needs itself.
   * @param events `drained`: a slow reader has taken everything, or is gone; `gone`: once, nothing can be written.
   */
  constructor(
    response: ServerResponse,
    limits: HttpLimits,
    headers: Readonly<Record<string, string>>,
    events: { readonly drained: () => void; readonly gone: () => void },
  ) {
    this.#response = response;
    this.#limits = limits;
    this.#headers = headers;
    this.#drained = events.drained;
    response.on("drain", () => this.#quick());
    response.on("finish", () => this.#quick());
    response.on("close", () => {
      this.#ended = true;
      clearInterval(this.#alive);
      this.#quick();
      events.gone();
    });
  }

  /** Whether a reader is slow: whoever makes messages should wait. */
  get isSlow(): boolean {
    return this.#slow !== undefined;
  }

  /** Begins a stream of events (WHATWG HTML, server-sent events). Idempotent. */
  open(): void {
    if (this.#ended || this.#response.headersSent) return;
    this.#response.writeHead(200, {
      ...always,
      ...this.#headers,
      "content-type": "text/event-stream",
      // A proxy that gathers answers would hold back a question that its client has to answer first.
      "x-accel-buffering": "no",
    });
    this.#response.flushHeaders();
    this.#alive = setInterval(() => {
      if (!this.isSlow) this.#write(":\n\n");
    }, aliveMs).unref();
  }

  /** A message that is not the last one. */
  event(message: JsonObject): void {
    if (this.#ended) return;
    this.open();
    // JSON text has no line break of its own. Lenient clients need the name of the event all the same.
    this.#write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
  }

  /** The last message: the document itself when no stream was begun. @param status of the document. */
  answer(message: JsonObject, status = 200): void {
    if (this.#ended) return;
    if (this.#response.headersSent) {
      this.event(message);
      return this.end();
    }
    const text = Buffer.from(JSON.stringify(message), "utf8");
    this.#response.writeHead(status, {
      ...always,
      ...this.#headers,
      "content-type": "application/json",
      "content-length": text.length,
    });
    this.#finish(() => this.#response.end(text));
  }

  /** The stream ends for now: its client asks for the rest under `eventId`, after `retryMs`. */
  pause(eventId: string, retryMs: number): void {
    if (this.#ended) return;
    this.open();
    // Without data: it is no message, and says from where to go on.
    this.#write(`id: ${eventId}\nretry: ${retryMs}\ndata: \n\n`);
    this.end();
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#ended) return;
    this.open();
    this.#finish(() => this.#response.end());
  }

  #finish(end: () => void): void {
    this.#ended = true;
    clearInterval(this.#alive);
    end();
    if (this.#response.writableLength > smallBytes) this.#slowed();
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#slowed();
  }

  /** Memory is not a client's to fill by not reading: a backlog is bounded in bytes and in time. */
  #slowed(): void {
    if (this.#response.writableLength > this.#limits.backlogBytesMax) return void this.#response.destroy();
    this.#slow ??= setTimeout(() => this.#response.destroy(), this.#limits.slowMs);
  }

  #quick(): void {
    if (this.#slow === undefined) return;
    clearTimeout(this.#slow);
    this.#slow = undefined;
    this.#drained();
  }
}
