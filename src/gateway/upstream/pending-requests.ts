import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import {
  isRequestId,
  paramsOf,
  progressTokenOf,
  type RequestId,
  type RpcResponse,
} from "../protocol/json-rpc.js";

interface Pending {
  readonly resolve: (response: RpcResponse) => void;
  readonly reject: (error: Error) => void;
  /** What its asker calls the request by, when it is not the gateway's own. */
  readonly askedAs: RequestId | undefined;
  /** What its asker calls its progress by. */
  readonly progressToken: RequestId | undefined;
}

/**
 * Requests that wait for their answer on one connection. Each goes out under a number of its own, so that nothing a
 * client chose (its ids, its progress tokens) is ever seen, or hit by accident or on purpose, by anything else.
 */
export class PendingRequests {
  readonly #pending = new Map<number, Pending>();
  readonly #nextId: () => number;
  #last = 0;

  /** @param nextId numbers that grow; default 1, 2, 3, … */
  constructor(nextId?: () => number) {
    this.#nextId = nextId ?? (() => this.#last + 1);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** What the askers call their requests that wait, oldest first. */
  get askedAs(): readonly RequestId[] {
    return [...this.#pending.values()].flatMap(({ askedAs }) => (askedAs === undefined ? [] : [askedAs]));
  }

  /** What its asker calls a request; undefined: it is the gateway's own, or has ended. */
  askedAsOf(id: RequestId): RequestId | undefined {
    return typeof id === "number" ? this.#pending.get(id)?.askedAs : undefined;
  }

  /** @returns the message to send under its own id and progress token, and what its answer will be. */
  add(message: JsonObject): {
    readonly id: number;
    readonly message: JsonObject;
    readonly answer: Promise<RpcResponse>;
  } {
    const id = (this.#last = this.#nextId());
    const progressToken = progressTokenOf(paramsOf(message));
    const askedAs = isRequestId(message["id"]) ? message["id"] : undefined;
    const answer = new Promise<RpcResponse>((resolve, reject) =>
      this.#pending.set(id, { resolve, reject, askedAs, progressToken }),
    );
    return { id, message: withIdentity(message, id, progressToken !== undefined), answer };
  }

  /** @returns what is wrong with the answer, for the operator; undefined when somebody waited for it. */
  settle(response: RpcResponse): string | undefined {
    const { id } = response;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined || typeof id !== "number") return this.#stray(id);
    this.#pending.delete(id);
    pending.resolve(response);
    return undefined;
  }

  /** The asker is told that no answer will come; a late one is dropped. */
  fail(id: RequestId, error: Error): void {
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined || typeof id !== "number") return;
    this.#pending.delete(id);
    pending.reject(error);
  }

  failAll(why: string): void {
    for (const id of [...this.#pending.keys()])
      this.fail(id, new EffectFailedError("upstream_unavailable", why));
  }

  /** A notification of progress as its asker knows it; undefined when nobody asked, or does any more. */
  progress(message: JsonObject): JsonObject | undefined {
    const params = paramsOf(message);
    const token = params["progressToken"];
    const asked = typeof token === "number" ? this.#pending.get(token)?.progressToken : undefined;
    return asked === undefined ? undefined : { ...message, params: { ...params, progressToken: asked } };
  }

  #stray(id: RequestId): string {
    const known = typeof id === "number" && id >= 1 && id <= this.#last;
    return known
      ? "it answered a request that had ended, or answered one twice"
      : "it answered a request that was never made";
  }
}

function withIdentity(message: JsonObject, id: number, hasToken: boolean): JsonObject {
  if (!hasToken) return { ...message, id };
  const params = paramsOf(message);
  const meta = params["_meta"];
  const own = isJsonObject(meta) ? { ...meta, progressToken: id } : { progressToken: id };
  return { ...message, id, params: { ...params, _meta: own } };
}
