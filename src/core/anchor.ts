import { existsSync, readFileSync } from "node:fs";
import { AuditUnavailableError, SynapseError } from "../model/errors.js";
import { parseCheckpointText } from "../model/proof/checkpoint.js";
import { equalBytes } from "../model/proof/hash.js";
import { parseNote } from "../model/proof/note.js";
import { subtreeHash } from "../model/proof/subtree.js";
import type { StoreDriver } from "./store.js";
import { nodeTreeHasher } from "./tree-hasher.js";
import { writeWhole } from "./write-whole.js";

/** A place outside the store that holds the log's last checkpoint. */
export interface Anchor {
  /** Undefined when nothing was published there yet; rejects when it cannot be told. */
  read(): Promise<string | undefined>;
  publish(note: string): Promise<void>;
}

const timeoutMs = 5_000;
const bytesMax = 64 * 1024;

/** @param target an absolute path, or an http or https URL that takes GET and PUT. */
export function anchorAt(target: string): Anchor {
  return /^https?:\/\//.test(target) ? urlAnchor(target) : fileAnchor(target);
}

/**
 * Compares a log with its anchor. A log that is behind it, or another one, is a backup that was put back or was
 * tampered with: authority that was revoked since would be alive again (SEMANTICS E6).
 *
 * The signature is not asked for: what an anchor holds is believed because of where it is.
 *
 * @returns why no step may run; undefined when the log is the anchor's or grew out of it.
 */
export async function anchorFault(
  driver: StoreDriver,
  origin: string,
  anchor: Anchor,
): Promise<AuditUnavailableError | undefined> {
  try {
    const note = await anchor.read();
    if (note === undefined) return undefined;
    const kept = parseCheckpointText(parseNote(note).text);
    const { size } = driver.treeHead();
    if (kept.origin !== origin) return refusal(`it is of the log \`${kept.origin}\``);
    if (kept.size > size) return refusal(`it has ${kept.size} events, the log ${size}`);
    const read = (level: number, index: number) => driver.treeNode(level, index);
    const root =
      kept.size === 0
        ? nodeTreeHasher.empty
        : subtreeHash(nodeTreeHasher, read, { start: 0, end: kept.size });
    return equalBytes(root, kept.root)
      ? undefined
      : refusal(`its ${kept.size} events are not those of the log`);
  } catch (cause) {
    // Fail closed: an intruder who can put a backup back can also cut a wire.
    const why = cause instanceof Error ? cause.message : String(cause);
    return new AuditUnavailableError(`the log's anchor cannot be read: ${why}`, {
      hint: "steps run again when it can be, or without --anchor",
      cause,
    });
  }
}

/** Publishes a checkpoint unless a larger one is there: of two processes the slower one must not set it back. */
export async function publishTo(anchor: Anchor, note: string): Promise<void> {
  const there = await anchor.read();
  const sizeOf = (text: string) => parseCheckpointText(parseNote(text).text).size;
  if (there === undefined || sizeOf(there) < sizeOf(note)) await anchor.publish(note);
}

function refusal(why: string): AuditUnavailableError {
  return new AuditUnavailableError(`the log is behind its anchor: ${why}`, {
    hint: "a backup was put back, or the log was rewritten; bring the newer log back, or point --anchor elsewhere once it is settled that this one counts",
  });
}

function fileAnchor(path: string): Anchor {
  return {
    read: () => Promise.resolve().then(() => (existsSync(path) ? readFileSync(path, "utf8") : undefined)),
    publish: (note) => Promise.resolve().then(() => writeWhole(path, note)),
  };
}

function urlAnchor(url: string): Anchor {
  const ask = async (method: "GET" | "PUT", body: string | null) => {
    const { request } = await import("undici");
    const headers = body === null ? {} : { "content-type": "text/plain; charset=utf-8" };
    const response = await request(url, { method, headers, body, signal: AbortSignal.timeout(timeoutMs) });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size > bytesMax) throw unanswered(url, "it answers with more than a checkpoint");
    }
    return { status: response.statusCode, text: Buffer.concat(chunks).toString("utf8") };
  };
  return {
    read: async () => {
      const { status, text } = await ask("GET", null);
      if (status === 404) return undefined;
      if (status !== 200) throw unanswered(url, `it answers ${status}`);
      return text;
    },
    publish: async (note) => {
      const { status } = await ask("PUT", note);
      if (status < 200 || status > 299) throw unanswered(url, `it answers ${status} to a checkpoint`);
    },
  };
}

function unanswered(url: string, why: string): SynapseError {
  return new SynapseError("anchor_failed", `\`${url}\`: ${why}`);
}
