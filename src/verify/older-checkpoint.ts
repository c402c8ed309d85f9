import { EvidenceError } from "../model/errors.js";
import type { AuditEvent } from "../model/event.js";
import {
  assertNotBehind,
  type Checkpoint,
  openCheckpoint,
  parseCheckpointText,
} from "../model/proof/checkpoint.js";
import type { ProofCrypto } from "../model/proof/crypto.js";
import { equalBytes } from "../model/proof/hash.js";
import { KeySchedule } from "../model/proof/key-schedule.js";
import { type NoteVerifier, parseNote } from "../model/proof/note.js";
import { printVerifierKey, type VerifierKey } from "../model/proof/verifier-key.js";

/** Who is trusted, and how that is checked. */
export interface Trust {
  readonly crypto: ProofCrypto;
  readonly keys: readonly VerifierKey[];
  readonly verifiers: readonly NoteVerifier[];
  readonly origin: string | undefined;
}

/**
 * A checkpoint that was kept from before, to be compared with a log that is read from its start. A key that is
 * trusted may have signed it; or one that it replaced since, which only the log itself can say: then it is believed
 * once the whole log was found to be what the trusted key signed.
 */
export class OlderCheckpoint {
  readonly #note: string | Uint8Array;
  readonly #trust: Trust;
  readonly #verified: Checkpoint | undefined;
  readonly #stranger: EvidenceError | undefined;
  readonly #rotations: AuditEvent[] = [];
  /** What it says, verified or not: used to know where to look. */
  readonly #said: Checkpoint;
  #same = false;

  /** @throws EvidenceError as `openCheckpoint`, but not yet for a key that is not known; `checkpoint_behind`. */
  constructor(note: string | Uint8Array, trust: Trust, newer: Checkpoint) {
    this.#note = note;
    this.#trust = trust;
    try {
      this.#verified = openCheckpoint(note, trust.verifiers, trust.origin);
    } catch (error) {
      if (!(error instanceof EvidenceError) || error.code !== "unknown_key") throw error;
      this.#stranger = error;
    }
    this.#said = this.#verified ?? parseCheckpointText(parseNote(note).text);
    if (this.#verified !== undefined) assertNotBehind(this.#verified, newer);
  }

  /**
   * To be called before the first entry and after each.
   * @throws EvidenceError `root_mismatch`
   */
  compare(size: number, root: () => Uint8Array, last: AuditEvent | undefined): void {
    if (last?.event === "key_rotated") this.#rotations.push(last);
    if (size !== this.#said.size) return;
    this.#same = equalBytes(root(), this.#said.root);
    if (this.#verified !== undefined) this.#assertSame();
  }

  /**
   * To be called when the whole log was found to be what the newer checkpoint signs.
   * @throws EvidenceError `unknown_key`, `invalid_signature`, `wrong_origin`, `checkpoint_behind`, `root_mismatch`.
   */
  end(newer: Checkpoint): Checkpoint {
    if (this.#verified !== undefined) return this.#verified;
    const older = this.#schedule().open(this.#note);
    assertNotBehind(older, newer);
    this.#assertSame();
    return older;
  }

  #schedule(): KeySchedule {
    const { crypto, keys } = this.#trust;
    const inForce = this.#rotations.at(-1)?.["new_vkey"];
    const trusted = keys.find((key) => printVerifierKey(key) === inForce);
    if (trusted !== undefined) return new KeySchedule(crypto, this.#rotations, trusted);
    throw new EvidenceError(
      "unknown_key",
      `the checkpoint to compare with: ${this.#stranger?.message ?? ""}`,
      {
        hint: "a key that was replaced is followed back from the one in force: give that one with the export",
        cause: this.#stranger,
      },
    );
  }

  #assertSame(): void {
    if (this.#same) return;
    throw new EvidenceError(
      "root_mismatch",
      `the first ${this.#said.size} entries are not those of the older checkpoint`,
      {
        hint: "the log was rewritten after that checkpoint was made: both carry a good signature, and cannot both be true",
      },
    );
  }
}
