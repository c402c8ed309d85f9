import { printCheckpoint } from "../model/proof/checkpoint.js";
import { noteMessage } from "../model/proof/note.js";
import { printVerifierKey, verifiedNote } from "../model/proof/verifier-key.js";
import { checkActor } from "./authority.js";
import { adminLane } from "./lanes.js";
import type { Ledger } from "./ledger.js";
import { verifiesEd25519 } from "./node-crypto.js";
import type { Logger, Signer } from "./ports.js";
import { assertInForce, keyOf, rotateSigner } from "./signer-rotation.js";
import type { StoredCheckpoint } from "./store.js";

export interface CheckpointOptions {
  /** Which log; default `synapse.local/<log id>`. */
  readonly origin: string;
  /** A checkpoint after so many events… */
  readonly events: number;
  /** … or so many ms after the first event that none covers. */
  readonly ms: number;
  readonly logger?: Logger | undefined;
  /** Brings a checkpoint to where others hold it. */
  readonly publish?: ((note: string) => Promise<void>) | undefined;
}

/**
 * Signs the log's head (C2SP checkpoint, Ed25519 signed note): in the background, on close, and when asked. A
 * step never waits for one. Sizes never go back, and a size that has a checkpoint keeps it.
 */
export class Checkpointer {
  readonly #ledger: Ledger;
  readonly #signer: () => Signer;
  readonly #options: CheckpointOptions;
  #uncovered = 0;
  #rotations = 0;
  #timer: NodeJS.Timeout | undefined;
  #making: Promise<unknown> = Promise.resolve();
  /** In force since `rotate`, whatever this process was started with. */
  #replaced: Signer | undefined;
  readonly #stopListening: () => void;

  /** @param signer asked for each checkpoint: no key comes to be before it is needed, and keys are replaced. */
  constructor(ledger: Ledger, signer: () => Signer, options: CheckpointOptions) {
    this.#ledger = ledger;
    this.#signer = signer;
    this.#options = options;
    this.#stopListening = ledger.listen((event, foreign) => {
      if (event.event === "key_rotated") this.#rotations++;
      // Whoever appended an event sees to its checkpoint.
      if (!foreign) this.#onEvent();
    });
  }

  /** `name+keyid+base64`, as verifiers take it. */
  verifierKey(): string {
    return printVerifierKey(keyOf(this.#current()));
  }

  /** The checkpoint of the log as it stands, made now when there is none; durable when it resolves. */
  async checkpoint(): Promise<StoredCheckpoint> {
    return this.#inTurn(() => this.#make((lane, keep) => this.#ledger.submit(lane, keep)));
  }

  /**
   * Replaces the signer; nothing is signed meanwhile. Resolves to the new key, as verifiers take it, once the
   * checkpoint that both signed is durable.
   *
   * @throws as `rotateSigner`.
   */
  async rotate(next: Signer, by: string): Promise<string> {
    checkActor("by", by);
    return this.#inTurn(async () => {
      const { vkey, ...checkpoint } = await rotateSigner(this.#ledger, { old: this.#current(), next, by });
      this.#replaced = next;
      await this.#published(checkpoint);
      return vkey;
    });
  }

  /** Makes the last one. Nothing uncovered: nothing to do. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopListening();
    if (this.#uncovered > 0) await this.#inBackground();
  }

  #current(): Signer {
    return this.#replaced ?? this.#signer();
  }

  /** One after the other: the newest head is signed last. */
  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#making.then(ignore, ignore).then(body);
    this.#making = turn;
    return turn;
  }

  #onEvent(): void {
    this.#uncovered++;
    if (this.#uncovered % this.#options.events === 0) void this.#inBackground();
    else this.#timer ??= setTimeout(() => void this.#inBackground(), this.#options.ms).unref();
  }

  async #inBackground(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      // With whatever is written next: on its own it would keep that waiting for one more turn of the disk.
      await this.#inTurn(() => this.#make((lane, keep) => this.#ledger.follow(lane, keep)));
    } catch (error) {
      // The log is whole without it; the next one covers these events too.
      this.#options.logger?.warn({ error }, "a checkpoint could not be made");
    }
  }

  async #make(append: Ledger["submit"]): Promise<StoredCheckpoint> {
    const { driver } = this.#ledger;
    const rotations = this.#rotations;
    const { size, root } = driver.treeHead();
    const covered = this.#uncovered;
    const known = driver.checkpoint(size);
    if (known !== undefined) return this.#published(known);
    const signer = this.#current();
    const key = keyOf(signer);
    assertInForce(driver, key, size);
    const text = printCheckpoint({ origin: this.#options.origin, size, root, extensions: [] });
    // Signed and verified beside the thread that runs steps: nobody who waits for a step waits for that.
    const message = noteMessage(text);
    const signature = await signer.sign(message);
    const isGood = await verifiesEd25519(key.publicKey, message, signature);
    const note = verifiedNote(text, key, signature, isGood);
    const kept = await append(adminLane, (tx) => {
      // Another process replaced the key meanwhile: which one signs this size has to be asked again.
      if (this.#rotations !== rotations) return false;
      tx.putCheckpoint({ size, note });
      return true;
    });
    if (!kept) return this.#make(append);
    this.#uncovered -= covered;
    return this.#published(driver.checkpoint(size) ?? { size, note });
  }

  async #published(checkpoint: StoredCheckpoint): Promise<StoredCheckpoint> {
    try {
      await this.#options.publish?.(checkpoint.note);
    } catch (error) {
      // The next one that can be published covers these events too.
      this.#options.logger?.warn({ error }, "a checkpoint could not be published");
    }
    return checkpoint;
  }
}

function ignore(): void {
  // Whoever asked for that checkpoint was told.
}
