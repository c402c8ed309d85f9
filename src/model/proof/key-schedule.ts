import { EvidenceError } from "../errors.js";
import type { AuditEvent } from "../event.js";
import { type Checkpoint, openCheckpoint } from "./checkpoint.js";
import type { ProofCrypto } from "./crypto.js";
import { type NoteVerifier, parseNote } from "./note.js";
import { ed25519Verifier, parseVerifierKey, printVerifierKey, type VerifierKey } from "./verifier-key.js";

/** One key and the sizes whose checkpoints it signs: `from` < size <= `to`. */
interface Term {
  readonly key: VerifierKey;
  readonly from: number;
  readonly to: number;
}

/**
 * Which key signs the checkpoint of which size. The checkpoint that ends with a `key_rotated` event is signed by
 * both keys: by it whoever trusts the old key learns the new one, and the other way round.
 */
export class KeySchedule {
  readonly #verifiers: readonly NoteVerifier[];
  readonly #terms: readonly Term[];
  readonly #trusted: number;

  /**
   * @param rotations the log's `key_rotated` events, in order.
   * @param trusted the key that the auditor knows.
   * @throws EvidenceError `unknown_key` when the rotations do not lead to that key.
   */
  constructor(crypto: ProofCrypto, rotations: readonly AuditEvent[], trusted: VerifierKey) {
    const terms: Term[] = [];
    let from = 0;
    let key: VerifierKey | undefined;
    for (const event of rotations) {
      const [old, next] = [keyIn(crypto, event, "old_vkey"), keyIn(crypto, event, "new_vkey")];
      if (key !== undefined && !isSame(key, old)) {
        throw new EvidenceError("unknown_key", `event ${event.seq} replaces a key that was not in force`, {
          seq: event.seq,
        });
      }
      terms.push({ key: old, from, to: event.seq });
      from = event.seq;
      key = next;
    }
    terms.push({ key: key ?? trusted, from, to: Number.MAX_SAFE_INTEGER });
    this.#terms = terms;
    this.#verifiers = unique(terms.map(({ key: each }) => each)).map((each) => ed25519Verifier(crypto, each));
    this.#trusted = terms.findIndex((term) => isSame(term.key, trusted));
    if (this.#trusted < 0) {
      throw new EvidenceError("unknown_key", `\`${printVerifierKey(trusted)}\` is not a key of this log`, {
        hint: "give the verifier key that was handed out for this log; `synapse audit key` prints its own",
      });
    }
  }

  get origin(): string {
    return (this.#terms[this.#trusted] as Term).key.name;
  }

  /** Sizes that must have a checkpoint, since it hands over from one key to the next. */
  get handovers(): readonly number[] {
    return this.#terms.slice(0, -1).map(({ to }) => to);
  }

  /** The keys, the oldest first, as `name+keyid+base64`. */
  get keys(): readonly string[] {
    return this.#terms.map(({ key }) => printVerifierKey(key));
  }

  /** Whether a signature for this size is one that the trusted key answers for by itself or through handovers after it. */
  isVouchedFor(size: number): boolean {
    return size >= (this.#terms[this.#trusted] as Term).from;
  }

  /**
   * Verifies that a note is a checkpoint of this log by the key in force at its size.
   * @throws EvidenceError as `openCheckpoint`.
   */
  open(note: string | Uint8Array): Checkpoint {
    const checkpoint = openCheckpoint(note, this.#verifiers, this.origin);
    const { signatures } = parseNote(note);
    for (const { key, from, to } of this.#terms) {
      const inForce =
        (checkpoint.size > from && checkpoint.size <= to) || (from > 0 && checkpoint.size === from);
      if (!inForce) continue;
      if (signatures.some(({ name, keyId }) => name === key.name && keyId === key.keyId)) continue;
      throw new EvidenceError(
        "unknown_key",
        `the checkpoint of ${checkpoint.size} events is not signed by the key in force there, \`${printVerifierKey(key)}\``,
      );
    }
    return checkpoint;
  }
}

function keyIn(crypto: ProofCrypto, event: AuditEvent, member: string): VerifierKey {
  const text = event[member];
  if (typeof text === "string") return parseVerifierKey(crypto.sha256, text);
  throw new EvidenceError("malformed_entry", `event ${event.seq} (\`key_rotated\`): it lacks \`${member}\``, {
    seq: event.seq,
  });
}

function isSame(a: VerifierKey, b: VerifierKey): boolean {
  return printVerifierKey(a) === printVerifierKey(b);
}

function unique(keys: readonly VerifierKey[]): VerifierKey[] {
  return [...new Map(keys.map((key) => [printVerifierKey(key), key])).values()];
}
