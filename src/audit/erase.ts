import { adminLane } from "../core/lanes.js";
import type { Ledger } from "../core/ledger.js";
import { AuditUnavailableError, NotFoundError } from "../model/errors.js";

export interface Erasure {
  /** False when it had been erased before. */
  readonly changed: boolean;
  /** Number of the event that says so. */
  readonly seq: number;
}

/**
 * Removes the bytes and the salt behind a commitment, and records that in the same transaction (SEMANTICS R3). The
 * commitment stays in the log, so every proof holds; without the salt nothing can be guessed from it. Then the
 * files are written anew, since free space and the write-ahead log hold remains from before.
 *
 * @param ref the commitment, hex.
 * @throws NotFoundError when the store never had it; AuditUnavailableError, also when the files could not be
 *   written anew because others kept the database busy: then the erasure is recorded, and asking again finishes it.
 */
export async function eraseBlob(
  ledger: Ledger,
  ref: string,
  { by, why }: { readonly by: string; readonly why: string },
): Promise<Erasure> {
  const { driver } = ledger;
  const erasure = await ledger.submit(adminLane, (tx): Erasure => {
    if (!driver.keepsBlob(ref)) {
      const before = driver.readEvents({ event: "blob_erased" }).find((event) => event["ref"] === ref);
      if (before === undefined)
        throw new NotFoundError("blob", ref, "commitments are the members of events that end in _commitment");
      return { changed: false, seq: before.seq };
    }
    tx.eraseBlob(ref);
    return { changed: true, seq: tx.emit({ event: "blob_erased", ref, by, why }).seq };
  });
  if (!(await driver.scrub())) {
    throw new AuditUnavailableError(
      "the bytes are erased, but remains of them may still stand in free space of the database",
      {
        hint: "another process uses the database: run the same command again when it is done",
      },
    );
  }
  return Object.freeze(erasure);
}
