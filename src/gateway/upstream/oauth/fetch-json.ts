import { isJsonObject, type JsonObject } from "../../../model/json.js";
import { readJson } from "../../protocol/line-reader.js";
import { readBody } from "../http-answer.js";

const bytesMax = 64 * 1024;
const depthMax = 16;
const waitMsMax = 10_000;

export interface JsonAnswer {
  readonly status: number;
  /** Undefined: the answer is no JSON object. */
  readonly body: JsonObject | undefined;
}

/** One small document. Redirects are not followed: they would take a secret along. @throws the error of `fetch`. */
export async function fetchJson(url: URL, init: RequestInit = {}): Promise<JsonAnswer> {
  const response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(waitMsMax) });
  const read = readJson(await readBody(response, bytesMax), { bytesMax, depthMax });
  const body = read.kind === "value" && isJsonObject(read.value) ? read.value : undefined;
  return { status: response.status, body };
}
