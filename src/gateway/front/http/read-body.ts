import type { IncomingMessage } from "node:http";
import { HttpRefusal } from "../../../model/errors.js";
import { readRpcMessage, rpcCode, type RpcMessage } from "../../protocol/json-rpc.js";
import { type MessageLimits, readJson } from "../../protocol/line-reader.js";

/**
 * The one message of a POST (MCP 2025-11-25, transports: no batches).
 *
 * @param take is told of bytes before they are kept, and may throw.
 * @throws HttpRefusal `not_json`, `message_too_large`, `message_unreadable`, `message_malformed`
 */
export async function readMessage(
  request: IncomingMessage,
  limits: MessageLimits,
  take: (bytes: number) => void,
): Promise<Exclude<RpcMessage, { kind: "malformed" }>> {
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  // What a page of anybody may send without being asked for permission first is never of this type.
  if (type !== "application/json")
    throw new HttpRefusal(415, "not_json", "the body has to be `application/json`");
  const read = readJson(await bytesOf(request, limits.bytesMax, take), limits);
  if (read.kind === "unreadable")
    throw new HttpRefusal(
      400,
      "message_unreadable",
      `the body cannot be read: ${read.why}`,
      {},
      {
        code: rpcCode.parseError,
      },
    );
  const message = readRpcMessage(read.value);
  if (message.kind !== "malformed") return message;
  const { id, why } = message;
  const rpc = { code: rpcCode.invalidRequest, ...(id === undefined ? {} : { id }) };
  throw new HttpRefusal(400, "message_malformed", `the body is not a message: ${why}`, {}, rpc);
}

async function bytesOf(
  request: IncomingMessage,
  bytesMax: number,
  take: (bytes: number) => void,
): Promise<Buffer> {
  const tooLarge = (): HttpRefusal =>
    new HttpRefusal(413, "message_too_large", `a message has at most ${bytesMax} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  let refused = false;
  return new Promise((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      // What still comes is thrown away, or the sender would never read the answer.
      if (refused) return;
      try {
        size += chunk.length;
        if (size > bytesMax) throw tooLarge();
        take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        refused = true;
        chunks.length = 0;
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("close", () =>
      reject(new HttpRefusal(400, "message_unreadable", "the body ended before it was whole")),
    );
  });
}
