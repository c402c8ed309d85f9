import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { SynapseError } from "../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import { type BundleLimits, bundleLimits, malformedBundle } from "./bundle-format.js";

const newline = 0x0a;

/**
 * The documents of a bundle's lines. Never holds more than one line of the file, and no more than the limits say,
 * whatever is in it.
 *
 * @throws SynapseError `unreadable_file`; EvidenceError `malformed_bundle`.
 */
export async function* readBundleLines(
  path: string,
  limits: BundleLimits = bundleLimits,
): AsyncGenerator<JsonObject> {
  let pieces: Buffer[] = [];
  let pending = 0;
  let total = 0;
  for await (const chunk of chunksOf(path)) {
    total += chunk.length;
    if (total > limits.bytesMax) throw malformedBundle(`it has more than ${limits.bytesMax} bytes`);
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      pieces.push(chunk.subarray(start, end));
      yield parseLine(Buffer.concat(pieces), limits);
      pieces = [];
      pending = 0;
      start = end + 1;
    }
    pieces.push(chunk.subarray(start));
    pending += chunk.length - start;
    if (pending > limits.lineBytesMax)
      throw malformedBundle(`one of its lines has more than ${limits.lineBytesMax} bytes`);
  }
  if (pending > 0) throw malformedBundle("its last line does not end: the file was cut");
}

/** A regular file's bytes. What else has a name may have no end, or keep whoever opens it waiting for ever. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw new Error("it is not a regular file");
      for await (const chunk of file.createReadStream({ highWaterMark: 1024 * 1024, autoClose: false }))
        yield chunk as Buffer;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : message;
    throw new SynapseError("unreadable_file", `the bundle \`${path}\` cannot be read: ${why}`, { cause });
  }
}

function parseLine(bytes: Buffer, { documentBytesMax }: BundleLimits): JsonObject {
  if (bytes.length > documentBytesMax) return parseBlobLine(bytes);
  let value: JsonValue;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw malformedBundle("one of its lines is not JSON in UTF-8", cause);
  }
  if (!isJsonObject(value)) throw malformedBundle("one of its lines is not an object");
  return value;
}

const blobHead = /^\{"type":"blob","ref":"([0-9a-f]{64})","salt":"([A-Za-z0-9+/=]{0,64})","bytes":"/;

/** A long line is taken apart by hand: in a few bytes of JSON stands an object that fills a hundred times as many. */
function parseBlobLine(bytes: Buffer): JsonObject {
  const [head, ref, salt] = blobHead.exec(bytes.toString("latin1", 0, 256)) ?? [];
  const end = bytes.length - 2;
  if (head === undefined || ref === undefined || salt === undefined || bytes.toString("latin1", end) !== '"}')
    throw malformedBundle("one of its lines is too long for what it is");
  return { type: "blob", ref, salt, bytes: bytes.toString("latin1", head.length, end) };
}
