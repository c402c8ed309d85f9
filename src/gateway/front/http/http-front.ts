import type { ServerResponse } from "node:http";
import { HttpRefusal } from "../../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../../model/json.js";
import {
  idKey,
  isRequestId,
  paramsOf,
  progressTokenOf,
  type RequestId,
  rpcCode,
  rpcError,
  type RpcMessage,
  type RpcRequest,
} from "../../protocol/json-rpc.js";
import { Gate } from "../../upstream/gate.js";
import type { Front, FrontEvents } from "../front.js";
import { HeldMessages } from "./held-messages.js";
import type { HttpLimits } from "./limits.js";
import { Outgoing } from "./outgoing.js";
import { PausedAnswer } from "./paused-answer.js";

/** The revision that first lets a stream end before its answer (MCP, transports). */
const resumedSince = "2025-11-25";

/** One request of the client that waits for its answer. */
interface Asked {
  readonly id: RequestId;
  outgoing: Outgoing;
  /** Its client was told to come back for it. */
  paused: PausedAnswer | undefined;
  readonly progressToken: RequestId | undefined;
  readonly begins: boolean;
  /** The client went away. That does not cancel it (MCP 2025-11-25, transports): its id stays in use. */
  gone: boolean;
}

/**
 * One client's session over streamable HTTP: many requests, each with an answer of its own, and streams for what
 * belongs to none of them. What it is handed has been authenticated, and belongs to this session.
 */
export class HttpFront implements Front {
  readonly name = "http";
  readonly #id: string;
  readonly #limits: HttpLimits;
  readonly #onClosed: () => void;
  readonly #asked = new Map<string, Asked>();
  readonly #listeners: Outgoing[] = [];
  readonly #outgoing = new Set<Outgoing>();
  readonly #held: HeldMessages;
  readonly #gate = new Gate();
  #events: FrontEvents | undefined;
  #why = "the session is over";
  #begun = false;
  /** Whether the client takes a stream up again that ended early. */
  #resumes = false;
  #pauses = 0;
  #closed = false;

  /** @param id the session's, which its first answer tells the client. */
  constructor(id: string, limits: HttpLimits, onClosed: () => void) {
    this.#id = id;
    this.#limits = limits;
    this.#onClosed = onClosed;
    this.#held = new HeldMessages(limits, (request) => this.#undeliverable(request));
  }

  /** Whether something is under way: then it is not idle. */
  get isBusy(): boolean {
    return this.#asked.size > 0 || this.#listeners.length > 0;
  }

  start(events: FrontEvents): void {
    this.#events = events;
  }

  /**
   * A message of the client.
   *
   * @throws HttpRefusal `session_unknown`, `already_initialized`, `duplicate_id`
   */
  async post(read: Exclude<RpcMessage, { kind: "malformed" }>, response: ServerResponse): Promise<void> {
    // A server is slow: what its clients send waits with them, and not in here.
    await this.#gate.passed();
    if (this.#closed || this.#events === undefined)
      throw new HttpRefusal(404, "session_unknown", "there is no such session");
    if (read.kind === "request") return this.#ask(read.message, response, this.#events);
    this.#events.message(read.message);
    if (read.kind === "notification" && read.message.method === "notifications/cancelled")
      this.#cancelled(paramsOf(read.message)["requestId"]);
    response.writeHead(202, { "cache-control": "no-store" }).end();
  }

  /**
   * A stream for what belongs to no request; or what is left of an answer, when its client was told to come back for
   * it under `lastEventId`.
   */
  listen(response: ServerResponse, lastEventId?: string): void {
    const asked = [...this.#asked.values()].find(({ paused }) => paused?.eventId === lastEventId);
    if (lastEventId !== undefined && asked?.paused !== undefined)
      return this.#resume(asked, asked.paused, response);
    const outgoing = this.#outgoingTo(response, {}, () => {
      const at = this.#listeners.indexOf(outgoing);
      if (at >= 0) this.#listeners.splice(at, 1);
    });
    // A client whose connection was cut comes again while the old stream still looks alive: the newest is the one.
    if (this.#listeners.length >= this.#limits.listenersMax) this.#listeners.shift()?.end();
    this.#listeners.push(outgoing);
    outgoing.open();
    for (const message of this.#held.release()) outgoing.event(message);
  }

  send(message: JsonObject, related: readonly RequestId[] = []): boolean {
    if (this.#closed) return true;
    if (message["method"] === undefined) this.#answer(message);
    else this.#tell(message, related);
    return ![...this.#outgoing].some(({ isSlow }) => isSlow);
  }

  streams(request: RequestId, pausedMs: number | undefined): void {
    const asked = this.#asked.get(idKey(request));
    if (asked === undefined || asked.gone || asked.paused !== undefined) return;
    if (pausedMs === undefined || !this.#resumes) return asked.outgoing.open();
    asked.paused = new PausedAnswer(
      `${++this.#pauses}`,
      this.#limits,
      (id) => this.#undeliverable(id),
      () => void this.#asked.delete(idKey(request)),
    );
    asked.outgoing.pause(asked.paused.eventId, PausedAnswer.retryMs(pausedMs));
  }

  pause(): void {
    this.#gate.shut();
  }

  resume(): void {
    this.#gate.open();
  }

  /** Ends the session, and with it everything that is under way. */
  terminate(why: string): void {
    this.#why = why;
    this.#events?.ended(why);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gate.open();
    this.#held.clear();
    for (const { id, outgoing, paused } of this.#asked.values()) {
      paused?.clear();
      outgoing.answer(rpcError(id, rpcCode.unavailable, this.#why));
    }
    this.#asked.clear();
    for (const outgoing of this.#listeners.splice(0)) outgoing.end();
    this.#onClosed();
  }

  #ask(request: RpcRequest, response: ServerResponse, events: FrontEvents): void {
    const key = idKey(request.id);
    const begins = request.method === "initialize";
    if (begins && this.#begun)
      throw new HttpRefusal(400, "already_initialized", "this session is initialized");
    // Two answers under one id could not be told apart, and one of the two would be lost.
    if (this.#asked.has(key))
      throw new HttpRefusal(
        400,
        "duplicate_id",
        "this id is in use",
        {},
        { code: rpcCode.invalidRequest, id: request.id },
      );
    this.#begun ||= begins;
    const headers = begins ? { "mcp-session-id": this.#id } : {};
    const outgoing = this.#outgoingTo(response, headers, () => void (asked.gone = true));
    const progressToken = progressTokenOf(paramsOf(request));
    const asked: Asked = {
      id: request.id,
      outgoing,
      paused: undefined,
      progressToken,
      begins,
      gone: false,
    };
    this.#asked.set(key, asked);
    events.message(request);
  }

  #resume(asked: Asked, paused: PausedAnswer, response: ServerResponse): void {
    const outgoing = this.#outgoingTo(response, {}, () => {
      if (asked.outgoing === outgoing) asked.gone = true;
    });
    outgoing.open();
    Object.assign(asked, { outgoing, paused: undefined, gone: false });
    if (paused.resume(outgoing)) this.#asked.delete(idKey(asked.id));
  }

  #outgoingTo(response: ServerResponse, headers: Record<string, string>, gone: () => void): Outgoing {
    const outgoing = new Outgoing(response, this.#limits, headers, {
      drained: () => {
        if (![...this.#outgoing].some(({ isSlow }) => isSlow)) this.#events?.drained();
      },
      gone: () => {
        this.#outgoing.delete(outgoing);
        gone();
      },
    });
    this.#outgoing.add(outgoing);
    return outgoing;
  }

  /** No answer will come, so its stream ends without one. */
  #cancelled(id: unknown): void {
    const asked = isRequestId(id) ? this.#asked.get(idKey(id)) : undefined;
    if (asked === undefined) return;
    this.#asked.delete(idKey(asked.id));
    asked.paused?.clear();
    asked.outgoing.end();
  }

  /** The server waits for an answer that nobody can give. */
  #undeliverable(request: RequestId): void {
    const why = "the client has no stream open on which it could be asked";
    this.#events?.message(rpcError(request, rpcCode.unavailable, why));
  }

  #answer(message: JsonObject): void {
    const { id } = message;
    const asked = isRequestId(id) ? this.#asked.get(idKey(id)) : undefined;
    if (asked === undefined) return;
    if (asked.paused !== undefined) return asked.paused.answer(message);
    this.#asked.delete(idKey(asked.id));
    if (asked.begins) this.#resumes = agreedVersion(message) >= resumedSince;
    asked.outgoing.answer(message);
    // A session that could not begin is none.
    if (asked.begins && "error" in message) this.terminate("the session could not begin");
  }

  /** What no request of the client asked for goes on exactly one stream (MCP 2025-11-25, multiple connections). */
  #tell(message: JsonObject, related: readonly RequestId[]): void {
    if (message["method"] === "notifications/progress") {
      const { progressToken } = paramsOf(message);
      // Progress that nobody waits for any more is dropped.
      const asked = [...this.#asked.values()].find(
        (each) => isReached(each) && each.progressToken === progressToken,
      );
      return asked === undefined ? undefined : wayOf(asked).event(message);
    }
    const calls = related.flatMap((id) => {
      const asked = this.#asked.get(idKey(id));
      return asked !== undefined && isReached(asked) ? [wayOf(asked)] : [];
    });
    // Of several calls under way nothing says which one it is about; any client of this session may have to answer.
    const way = (calls.length === 1 ? calls[0] : undefined) ?? this.#listeners.at(-1) ?? calls.at(-1);
    if (way === undefined) this.#held.hold(message);
    else way.event(message);
  }
}

function isReached({ gone, paused }: Asked): boolean {
  return !gone || paused !== undefined;
}

/** Where what belongs to a request goes. */
function wayOf({ paused, outgoing }: Asked): { event(message: JsonObject): void } {
  return paused ?? outgoing;
}

function agreedVersion({ result }: JsonObject): string {
  const version = isJsonObject(result) ? result["protocolVersion"] : undefined;
  return typeof version === "string" ? version : "";
}
