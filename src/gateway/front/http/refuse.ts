import type { IncomingMessage, ServerResponse } from "node:http";
import { HttpRefusal, TokenError } from "../../../model/errors.js";
import { rpcCode, rpcError } from "../../protocol/json-rpc.js";
import { statelessVersion } from "../../protocol/envelope.js";

/** How long the rest of a body that is not wanted is thrown away before the connection is cut, ms. */
const discardMs = 5_000;

/**
 * Answers a request that was refused. A bad token is told to be one, and not what is bad about it (RFC 6750, 3.1).
 *
 * @param metadata the URL that the answer to a missing or bad token names (RFC 9728, 5.1).
 * @returns what it was refused for: a code for the operator.
 */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  metadata: string,
): string {
  const { status, code, message, headers, rpc } = answerTo(error, metadata);
  // The client is gone, or has been answered already.
  if (response.headersSent || response.destroyed) return code;
  const data = { reason: publicReason(error), ...rpc.data };
  const { id, ...refusal } = rpcError(rpc.id ?? null, rpc.code ?? rpcCode.unavailable, message, data);
  // From 2026-07-28 on an id is never null: an error that answers no request has none.
  const body = JSON.stringify(id === null && isOfStateless(request) ? refusal : { ...refusal, id });
  response.writeHead(status, {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
  if (!request.complete) discard(request);
  return code;
}

function isOfStateless({ headers }: IncomingMessage): boolean {
  return headers["mcp-protocol-version"] === statelessVersion;
}

function discard(request: IncomingMessage): void {
  const timer = setTimeout(() => request.socket.destroy(), discardMs).unref();
  request.once("close", () => clearTimeout(timer));
  request.resume();
}

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rpc: HttpRefusal["rpc"];
}

function answerTo(error: unknown, metadata: string): Answer {
  if (error instanceof HttpRefusal) return error;
  if (error instanceof TokenError) {
    const told = error.code === "token_missing" ? "" : `error="invalid_token", `;
    return {
      status: 401,
      code: error.code,
      message:
        error.code === "token_missing"
          ? "send `Authorization: Bearer TOKEN`"
          : "the token is not accepted here; get a new one from the operator",
      headers: { "www-authenticate": `Bearer ${told}resource_metadata="${metadata}"` },
      rpc: {},
    };
  }
  return {
    status: 500,
    code: "internal_error",
    message: "the gateway failed",
    headers: {},
    rpc: { code: rpcCode.internalError },
  };
}

function publicReason(error: unknown): string {
  if (error instanceof HttpRefusal) return error.code;
  if (error instanceof TokenError) return error.code === "token_missing" ? error.code : "invalid_token";
  return "internal_error";
}
