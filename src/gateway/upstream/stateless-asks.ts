import type { JsonObject } from "../../model/json.js";
import type { RequestId } from "../protocol/json-rpc.js";
import type { StreamEvent } from "./event-stream.js";
import { isAnswerTo, readBody, reasonOf, refusalIn } from "./http-answer.js";
import { statelessHeaders } from "./stateless-headers.js";

/** What a link does for its requests. */
export interface AskingParts {
  /** To the server, with what the operator gave it, and a token where it wants one. */
  post(headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<Response>;
  events(response: Response): AsyncIterable<StreamEvent>;
  readonly bytesMax: number;
  /** A message came, as text, on the stream of this request. */
  take(text: Buffer, id: RequestId): void;
  message(message: JsonObject, id: RequestId): void;
  /** Why a server does not answer, by its refusal. */
  refused(response: Response): Promise<string | undefined>;
  failed(id: RequestId, why: string): void;
}

/**
 * Requests of the stateless revision to one server (MCP 2026-07-28, streamable HTTP): all that the server has to know
 * stands in each, and each is cancelled by closing its connection. A stream that ends early cannot be taken up again.
 */
export class StatelessAsks {
  readonly #parts: AskingParts;
  readonly #underWay = new Map<RequestId, AbortController>();

  constructor(parts: AskingParts) {
    this.#parts = parts;
  }

  async ask(message: JsonObject, id: RequestId, headers: Readonly<Record<string, string>>): Promise<void> {
    const cancelled = new AbortController();
    this.#underWay.set(id, cancelled);
    try {
      const all = { ...headers, ...statelessHeaders(message), "content-type": "application/json" };
      const response = await this.#parts.post(all, JSON.stringify(message), cancelled.signal);
      if (response.ok) return await this.#read(response, id);
      const refusal = await refusalIn(response, id, message["method"] === "server/discover");
      if (refusal === undefined) this.#parts.failed(id, (await this.#parts.refused(response)) ?? "");
      else this.#parts.message(refusal, id);
    } catch (error) {
      this.#parts.failed(id, reasonOf(error));
    } finally {
      this.#underWay.delete(id);
    }
  }

  /** @returns false: it is none of these. */
  cancel(id: RequestId): boolean {
    const asked = this.#underWay.get(id);
    asked?.abort(new Error("it was cancelled"));
    return asked !== undefined;
  }

  close(): void {
    for (const asked of this.#underWay.values()) asked.abort(new Error("the link is closed"));
  }

  async #read(response: Response, id: RequestId): Promise<void> {
    const parts = this.#parts;
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type === "application/json") return parts.take(await readBody(response, parts.bytesMax), id);
    if (type !== "text/event-stream") {
      await response.body?.cancel();
      return parts.failed(id, "its answer is neither JSON nor a stream of events");
    }
    let answered = false;
    for await (const event of parts.events(response)) {
      if (event.type !== "message") continue;
      answered ||= isAnswerTo(event.data, id);
      parts.take(Buffer.from(event.data, "utf8"), id);
    }
    if (!answered) parts.failed(id, "its stream ended before the answer");
  }
}
