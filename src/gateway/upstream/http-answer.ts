import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import { type RequestId, rpcError } from "../protocol/json-rpc.js";

const refusalBytesMax = 16 * 1024;

/** Many servers answer 400 to a session that they do not know, where the protocol says 404. */
export async function refusesSession(response: Response): Promise<boolean> {
  if (response.status !== 400) return false;
  const body = await readBody(response, refusalBytesMax).catch(() => Buffer.alloc(0));
  return /session/i.test(body.toString("utf8"));
}

/** Whether an event holds the answer to a request. */
export function isAnswerTo(text: string, id: RequestId): boolean {
  try {
    const message = JSON.parse(text) as { readonly id?: unknown; readonly method?: unknown } | null;
    return message?.id === id && message.method === undefined;
  } catch {
    return false;
  }
}

/** @throws RangeError for more than `bytesMax`. */
export async function readBody(response: Response, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > bytesMax) throw new RangeError(`an answer of more than ${bytesMax} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}

/** `fetch failed` alone helps nobody: its cause says what happened. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Statuses by which a server says what it thinks of a request, and not of who sends it, or of itself. */
const aboutTheRequest = [400, 404, 405, 406, 410, 415, 422, 501];

/**
 * The JSON-RPC error that a refusal of a stateless server holds (MCP 2026-07-28, streamable HTTP: 400, 404); undefined:
 * it holds none.
 *
 * @param isProbe the answer says which revisions the server speaks: one that it gives in whatever form of its own is an
 *   answer as well, and means that it does not speak this one.
 */
export async function refusalIn(
  response: Response,
  id: RequestId,
  isProbe: boolean,
): Promise<JsonObject | undefined> {
  if (!aboutTheRequest.includes(response.status)) return undefined;
  const error = errorIn(await readBody(response, refusalBytesMax).catch(() => Buffer.alloc(0)));
  if (error !== undefined) return { jsonrpc: "2.0", id, error };
  return isProbe ? rpcError(id, -32_000, `it answered with status ${response.status}`) : undefined;
}

function errorIn(body: Buffer): JsonObject | undefined {
  try {
    const value = JSON.parse(body.toString("utf8")) as JsonValue;
    const error = isJsonObject(value) ? value["error"] : undefined;
    return isJsonObject(error) && Number.isInteger(error["code"]) ? error : undefined;
  } catch {
    return undefined;
  }
}
