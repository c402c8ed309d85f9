import type { RequestId } from "../protocol/json-rpc.js";

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
