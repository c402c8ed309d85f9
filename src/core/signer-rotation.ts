import { StoreError } from "../model/errors.js";
import { printCheckpoint } from "../model/proof/checkpoint.js";
import { rangeRoot, restoreRange } from "../model/proof/compact-range.js";
import { noteMessage, type NoteSignature, printNote } from "../model/proof/note.js";
import { nodesOf } from "../model/proof/subtree.js";
import { printVerifierKey, signedNote, type VerifierKey, verifierKey } from "../model/proof/verifier-key.js";
import { adminLane } from "./lanes.js";
import type { Ledger } from "./ledger.js";
import { nodeCrypto } from "./node-crypto.js";
import type { Signer } from "./ports.js";
import type { StoredCheckpoint, StoreDriver } from "./store.js";
import { nodeTreeHasher } from "./tree-hasher.js";

/** The public key of a signer, with its name. */
export function keyOf({ keyName, publicKey }: Signer): VerifierKey {
  return verifierKey(nodeCrypto.sha256, keyName, publicKey);
}

/**
 * Refuses a signer whose key was replaced, perhaps by another process: a checkpoint of the old key would make the
 * log fail its verification from there on.
 *
 * @throws StoreError `key_not_in_force`
 */
export function assertInForce(driver: StoreDriver, key: VerifierKey, size: number): void {
  const last = driver.keyRotation();
  if (last === undefined) return;
  if (last["new_vkey"] !== printVerifierKey(key)) throw notInForce();
  if (last.seq === size && driver.checkpoint(size) === undefined)
    throw new StoreError(
      "key_not_in_force",
      "the key was replaced, and the old one has not signed that yet",
      {
        hint: "`pipeline.rotateSigner` with the same two signers finishes a rotation that was interrupted",
      },
    );
}

export function notInForce(): StoreError {
  return new StoreError("key_not_in_force", "the signing key is not the one in force", {
    hint: "the log says since when by `key_rotated`: another process replaced the key, or an old key was put back",
  });
}

/**
 * Replaces one signer by another, neither of whose keys need be in this process. `key_rotated` is recorded first;
 * from then on `assertInForce` keeps every process from signing with the old key. The checkpoint that ends with
 * that event is signed by both after it, since a key service cannot be waited for inside a transaction. Called
 * again with the same two signers it finishes what a crash between the two left.
 *
 * @returns the checkpoint that both signed, and the new key.
 * @throws StoreError `invalid_key`, `key_not_in_force`; EvidenceError `invalid_signature` when one of them does not
 *   sign with the key it says it has, found out before anything is recorded; AuditUnavailableError.
 */
export async function rotateSigner(
  ledger: Ledger,
  { old, next, by }: { readonly old: Signer; readonly next: Signer; readonly by: string },
): Promise<StoredCheckpoint & { readonly vkey: string }> {
  const { driver } = ledger;
  const [oldKey, newKey] = [keyOf(old), keyOf(next)];
  const [oldVkey, newVkey] = [printVerifierKey(oldKey), printVerifierKey(newKey)];
  if (oldKey.name !== newKey.name) {
    throw new StoreError("invalid_key", `the new key is named \`${newKey.name}\`, not \`${oldKey.name}\``, {
      hint: "the name of the key is that of the log: give the new signer the same `keyName`",
    });
  }
  if (oldVkey === newVkey) throw new StoreError("invalid_key", "the new key is the one in force");
  // A signer that does not work must not come into force: nobody could sign this log any more.
  const head = headText(driver, driver.treeHead().size, oldKey.name);
  for (const signer of [old, next]) await lineOf(signer, head);
  const size = await ledger.submit(adminLane, (tx) => {
    const last = driver.keyRotation();
    if (last?.["new_vkey"] === newVkey && last["old_vkey"] === oldVkey) return last.seq;
    if (last !== undefined && last["new_vkey"] !== oldVkey) throw notInForce();
    return tx.emit({ event: "key_rotated", old_vkey: oldVkey, new_vkey: newVkey, by }).seq;
  });
  const text = headText(driver, size, oldKey.name);
  const note = printNote(text, [await lineOf(old, text), await lineOf(next, text)]);
  await ledger.submit(adminLane, (tx) => tx.putCheckpoint({ size, note }));
  return Object.freeze({ size, note, vkey: newVkey });
}

function headText(driver: StoreDriver, size: number, origin: string): string {
  const hashes = nodesOf({ start: 0, end: size }).map(({ level, index }) => driver.treeNode(level, index));
  const root = rangeRoot(nodeTreeHasher, restoreRange({ begin: 0, end: size, hashes }));
  return printCheckpoint({ origin, size, root, extensions: [] });
}

async function lineOf(signer: Signer, text: string): Promise<NoteSignature> {
  const key = keyOf(signer);
  const signature = await signer.sign(noteMessage(text));
  // Made for its check alone: that the signature is that key's.
  signedNote(nodeCrypto, text, key, signature);
  return { name: key.name, keyId: key.keyId, signature };
}
