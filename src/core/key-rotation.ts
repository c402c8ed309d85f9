import { existsSync, renameSync } from "node:fs";
import { canonicalJson } from "../model/canonical.js";
import { printCheckpoint } from "../model/proof/checkpoint.js";
import { appendLeaf, rangeRoot, restoreRange } from "../model/proof/compact-range.js";
import { type NoteSignature, noteMessage, printNote } from "../model/proof/note.js";
import { nodesOf } from "../model/proof/subtree.js";
import { printVerifierKey } from "../model/proof/verifier-key.js";
import { adminLane } from "./lanes.js";
import type { Ledger } from "./ledger.js";
import { keyOf, notInForce } from "./signer-rotation.js";
import { fileSigner, type FileSigner } from "./signing-key.js";
import type { StoreDriver } from "./store.js";
import type { Tx } from "./transition.js";
import { nodeTreeHasher } from "./tree-hasher.js";

export interface Rotation {
  readonly oldVkey: string;
  readonly newVkey: string;
  /** Number of the `key_rotated` event, and size of the checkpoint that both keys signed. */
  readonly seq: number;
}

const suffix = ".next";

/**
 * Replaces the key beside a database. The event that says so and a checkpoint that ends with it, signed by both
 * keys, are written in one transaction: whoever trusts the old key learns the new one from it, and no other
 * process can put a checkpoint between them. The new key takes the old one's place after that; a crash before
 * it is made good by whoever needs the key next (`signerBeside`).
 *
 * @param keyFile of the key in force.
 * @throws StoreError `invalid_key`, `insecure_key`; AuditUnavailableError.
 */
export async function rotateKey(
  ledger: Ledger,
  { keyFile, origin, by }: { readonly keyFile: string; readonly origin: string; readonly by: string },
): Promise<Rotation> {
  const old = signerBeside(ledger.driver, keyFile, origin);
  const next = fileSigner(`${keyFile}${suffix}`, origin);
  const rotation = await ledger.submit(adminLane, (tx) => handOver(tx, ledger.driver, old, next, by));
  takePlace(`${keyFile}${suffix}`, keyFile);
  return rotation;
}

/** The signer of the key in force beside a database, made when there is none; ends a rotation that was cut short. */
export function signerBeside(driver: StoreDriver, keyFile: string, origin: string): FileSigner {
  const next = `${keyFile}${suffix}`;
  if (existsSync(next)) {
    const last = driver.keyRotation();
    const committed = last !== undefined && last["new_vkey"] === vkeyOf(fileSigner(next, origin));
    if (committed) takePlace(next, keyFile);
  }
  return fileSigner(keyFile, origin);
}

/** Two processes may do it at once: for the one that comes second there is nothing left to do. */
function takePlace(next: string, keyFile: string): void {
  try {
    renameSync(next, keyFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function handOver(tx: Tx, driver: StoreDriver, old: FileSigner, next: FileSigner, by: string): Rotation {
  const size = tx.state.seq;
  const hashes = nodesOf({ start: 0, end: size }).map(({ level, index }) => driver.treeNode(level, index));
  const [oldVkey, newVkey] = [vkeyOf(old), vkeyOf(next)];
  const last = driver.keyRotation();
  if (last !== undefined && last["new_vkey"] !== oldVkey) throw notInForce();
  const event = tx.emit({ event: "key_rotated", old_vkey: oldVkey, new_vkey: newVkey, by });
  const leaf = nodeTreeHasher.leaf(Buffer.from(canonicalJson(event), "utf8"));
  const range = appendLeaf(nodeTreeHasher, restoreRange({ begin: 0, end: size, hashes }), leaf);
  const root = rangeRoot(nodeTreeHasher, range);
  const text = printCheckpoint({ origin: old.keyName, size: range.end, root, extensions: [] });
  const note = printNote(text, [signature(old, text), signature(next, text)]);
  tx.putCheckpoint({ size: range.end, note });
  return Object.freeze({ oldVkey, newVkey, seq: event.seq });
}

function signature(signer: FileSigner, text: string): NoteSignature {
  const { name, keyId } = keyOf(signer);
  return { name, keyId, signature: signer.signNow(noteMessage(text)) };
}

function vkeyOf(signer: FileSigner): string {
  return printVerifierKey(keyOf(signer));
}
