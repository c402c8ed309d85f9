import { createHmac, timingSafeEqual } from "node:crypto";
import { canonicalJson } from "../../model/canonical.js";
import { isJsonObject, type JsonValue } from "../../model/json.js";
import { sha256Hex } from "../../model/sha256.js";
import { paramsOf, type RpcRequest } from "../protocol/json-rpc.js";

/** How long a question may wait for its answer: a person may have to be found first. */
const validMs = 60 * 60_000;

/** What a server was told that it would be told again, and what the gateway has to know then. */
export interface PendingInput {
  /** Who was asked. */
  readonly agentId: string;
  /** Which server asked. */
  readonly server: string;
  /** What it asked, by the names that it gave: the method of each. */
  readonly questions: ReadonlyMap<string, string>;
  /** Its own state, as it gave it; undefined: it gave none. */
  readonly state: string | undefined;
}

/**
 * Passes a server's `requestState` through the client and back (MCP 2026-07-28, multi round-trip requests). The client
 * may send anything for it: so it is sealed, together with whose it is and which request it belongs to. What comes back
 * from another agent, with another request, or changed, is nothing.
 */
export class RequestStates {
  readonly #key: Buffer;
  readonly #now: () => number;

  /** @param key 32 random bytes, of this gateway alone. @param now milliseconds since the Unix epoch. */
  constructor(key: Buffer, now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  seal(request: RpcRequest, { agentId, server, questions, state }: PendingInput): string {
    const until = this.#now() + validMs;
    const facts = [agentId, server, digestOf(request), until, [...questions], state ?? null];
    const body = Buffer.from(JSON.stringify(facts), "utf8").toString("base64url");
    return `${body}.${this.#mac(body).toString("base64url")}`;
  }

  /** Undefined: this gateway never gave it out, not to this agent, not for this request, or too long ago. */
  open(request: RpcRequest, agentId: string, sealed: string): PendingInput | undefined {
    const [body = "", mac = "", ...more] = sealed.split(".");
    const given = Buffer.from(mac, "base64url");
    const own = this.#mac(body);
    if (more.length > 0 || given.length !== own.length || !timingSafeEqual(given, own)) return undefined;
    // Only what was sealed here gets this far, so its form is known.
    const [owner, server, digest, until, questions, state] = JSON.parse(
      Buffer.from(body, "base64url").toString("utf8"),
    ) as [string, string, string, number, [string, string][], string | null];
    if (owner !== agentId || digest !== digestOf(request) || this.#now() >= until) return undefined;
    return { agentId, server, questions: new Map(questions), state: state ?? undefined };
  }

  #mac(body: string): Buffer {
    return createHmac("sha256", this.#key).update(body).digest();
  }
}

/** Of a request as it is before and after: what it is about, without what the client says along with it. */
function digestOf({ method, params }: RpcRequest): string {
  const about = Object.entries(isJsonObject(params) ? params : {}).filter(([name]) => !along.includes(name));
  // A lone surrogate has no canonical form; the replacement character stands for it.
  const text = JSON.stringify({ method, about: Object.fromEntries(about) });
  return sha256Hex(
    canonicalJson(JSON.parse(text.replace(/\\u(d[89a-f][0-9a-f]{2})/g, "\\ufffd")) as JsonValue),
  );
}

const along = ["_meta", "inputResponses", "requestState"];

/** Whether a request says that it goes on with an earlier one. */
export function isRetry(request: RpcRequest): boolean {
  const { inputResponses, requestState } = paramsOf(request);
  return inputResponses !== undefined || requestState !== undefined;
}

/** The request with the server's own state in the place of the sealed one. */
export function withState(request: RpcRequest, state: string | undefined): RpcRequest {
  const params = Object.entries(paramsOf(request)).filter(([name]) => name !== "requestState");
  const own = state === undefined ? {} : { requestState: state };
  return { ...request, params: { ...Object.fromEntries(params), ...own } };
}
