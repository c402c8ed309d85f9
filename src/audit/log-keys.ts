import type { LogImage } from "../core/log-image.js";
import { nodeCrypto } from "../core/node-crypto.js";
import { EvidenceError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import { parseCheckpointText } from "../model/proof/checkpoint.js";
import { parseEntry } from "../model/proof/entry.js";
import { parseNote } from "../model/proof/note.js";
import { type VerifierKey, verifierKey } from "../model/proof/verifier-key.js";
import { KeySchedule } from "../model/proof/key-schedule.js";

export interface KnownKeys {
  /** The key that the auditor was given; without it the one beside the database stands in. */
  readonly key?: VerifierKey | undefined;
  /** The public half of the key beside the database, 32 bytes. */
  readonly ownKey?: Uint8Array | undefined;
}

/**
 * The keys of a log, and the one that is trusted.
 * @throws EvidenceError `unknown_key`, `wrong_origin`, `malformed_key`.
 */
export function logKeys(
  image: LogImage,
  { key, ownKey: publicKey }: KnownKeys,
): { readonly keys: KeySchedule; readonly trusted: VerifierKey } {
  const trusted = key ?? ownKey(image, publicKey) ?? placeholder;
  const keys = new KeySchedule(nodeCrypto, rotations(image), trusted);
  if (trusted !== placeholder) assertLogId(image, keys);
  return { keys, trusted };
}

/** Without any key nothing can be opened: what checkpoints there are will be found signed by a stranger. */
const placeholder: VerifierKey = verifierKey(nodeCrypto.sha256, "no-key", new Uint8Array(32));

/** The key beside the database carries no name: it is that of the log's own checkpoints. */
function ownKey(image: LogImage, publicKey: Uint8Array | undefined): VerifierKey | undefined {
  if (publicKey === undefined) return undefined;
  const newest = image.newestCheckpoint();
  const name =
    newest === undefined
      ? `synapse.local/${image.logId()}`
      : parseCheckpointText(parseNote(newest.note).text).origin;
  return verifierKey(nodeCrypto.sha256, name, publicKey);
}

function assertLogId(image: LogImage, keys: KeySchedule): void {
  const own = `synapse.local/${image.logId()}`;
  if (!keys.origin.startsWith("synapse.local/") || keys.origin === own) return;
  throw new EvidenceError("wrong_origin", `the database is of the log \`${own}\`, not of \`${keys.origin}\``);
}

function rotations(image: LogImage): AuditEvent[] {
  return image.keyRotations().flatMap(({ seq, doc }) => {
    const event = doc === undefined ? undefined : entryIn(doc);
    return event?.event === "key_rotated" ? [{ ...event, seq }] : [];
  });
}

/** A row that cannot be read is left to the pass over all events, which names it. */
function entryIn(doc: Uint8Array): AuditEvent | undefined {
  try {
    return parseEntry(doc) as AuditEvent;
  } catch (error) {
    if (error instanceof EvidenceError) return undefined;
    throw error;
  }
}
