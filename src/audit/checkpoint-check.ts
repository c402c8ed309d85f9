import type { CheckpointRow, LogImage } from "../core/log-image.js";
import { EvidenceError } from "../model/errors.js";
import type { Checkpoint } from "../model/proof/checkpoint.js";
import { equalBytes } from "../model/proof/hash.js";
import { printVerifierKey, type VerifierKey } from "../model/proof/verifier-key.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";

/**
 * Compares the signed checkpoints, smallest first, with the tree as it grows over the events. Since each must be
 * the root at its size of one and the same list of events, any two of them are consistent.
 */
export class CheckpointCheck {
  readonly #image: LogImage;
  readonly #keys: KeySchedule;
  #next: CheckpointRow | undefined;
  #good = 0;
  #vouched = false;
  readonly #handedOver = new Set<number>();
  count = 0;

  constructor(image: LogImage, keys: KeySchedule) {
    this.#image = image;
    this.#keys = keys;
    this.#next = image.checkpointAfter(Number.MIN_SAFE_INTEGER);
  }

  /**
   * To be called before the first event and after each.
   * @throws EvidenceError naming the checkpoint that is wrong.
   */
  compare(size: number, root: () => Uint8Array): void {
    while (this.#next !== undefined && this.#next.size <= size) {
      this.#check(this.#next, size, root());
      this.#next = this.#image.checkpointAfter(this.#next.size);
    }
  }

  /** @throws EvidenceError when a checkpoint says that there were more events, or what should be signed is not. */
  end(size: number, trusted: VerifierKey): void {
    if (this.#next !== undefined) {
      throw new EvidenceError(
        "checkpoint_behind",
        `the log has ${size} events, and a checkpoint was made of ${this.#next.size}`,
        { hint: "events were cut off the end, or the checkpoint is forged" },
      );
    }
    const missing = this.#keys.handovers.find((handover) => !this.#handedOver.has(handover));
    if (missing !== undefined) {
      throw new EvidenceError(
        "unknown_key",
        `event ${missing} rotates the key, and no checkpoint signed by both keys ends with it`,
        {
          seq: missing,
          hint: "`pipeline.rotateSigner` with the same two signers finishes a rotation that was interrupted",
        },
      );
    }
    if (this.count > 0 && !this.#vouched) {
      throw new EvidenceError(
        "unknown_key",
        `nothing in this log is signed by \`${printVerifierKey(trusted)}\``,
      );
    }
  }

  #check(row: CheckpointRow, size: number, root: Uint8Array): void {
    const what = `the checkpoint of ${row.size} events`;
    const checkpoint = this.#open(row, what);
    if (checkpoint.size !== row.size || row.size !== size)
      throw new EvidenceError("malformed_checkpoint", `${what}: its note says ${checkpoint.size}`);
    if (!equalBytes(checkpoint.root, root)) {
      throw new EvidenceError(
        "root_mismatch",
        `${what}: its root is not that of the events; one of events ${this.#good + 1} to ${size} is not the one that was signed`,
        { hint: "events were rewritten together with their hashes, or the checkpoint is of another log" },
      );
    }
    this.#good = size;
    this.count++;
    if (this.#keys.handovers.includes(size)) this.#handedOver.add(size);
    if (this.#keys.isVouchedFor(size)) this.#vouched = true;
  }

  #open(row: CheckpointRow, what: string): Checkpoint {
    try {
      return this.#keys.open(row.note);
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      throw new EvidenceError(error.code, `${what}: ${error.message}`, { hint: error.hint, cause: error });
    }
  }
}
