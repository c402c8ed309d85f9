import { isJsonObject } from "../../model/json.js";
import type { RpcResponse } from "./json-rpc.js";

/** Revisions with `initialize`, oldest first. */
export const supportedVersions: readonly string[] = Object.freeze([
  "2024-10-07",
  "2024-11-05",
  "2025-03-26",
  "2025-06-18",
  "2025-11-25",
]);

const newest = "2025-11-25";

/** The revision to ask a server for: the client's own, or the newest that is relayed when that is not known here. */
export function askedVersion(clients: unknown): string {
  return typeof clients === "string" && supportedVersions.includes(clients) ? clients : newest;
}

/** Of several servers' revisions the oldest: a client is told of nothing that one of them does not speak. */
export function sharedVersion(versions: readonly string[]): string {
  return [...versions].sort()[0] ?? newest;
}

/**
 * The revisions that a server names in what it answers to `server/discover`, or in refusing a revision
 * (MCP 2026-07-28, versioning); none when it names none.
 */
export function spokenVersions({ result, error }: RpcResponse): readonly string[] {
  const data = isJsonObject(error) ? error["data"] : undefined;
  const listed = isJsonObject(result)
    ? result["supportedVersions"]
    : isJsonObject(data)
      ? data["supported"]
      : undefined;
  if (!Array.isArray(listed)) return [];
  return listed.filter((each): each is string => typeof each === "string").slice(0, 16);
}
