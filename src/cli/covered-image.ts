import { type KnownKeys, logKeys } from "../audit/log-keys.js";
import type { KeySchedule } from "../model/proof/key-schedule.js";
import type { CheckpointRow, LogImage } from "../core/log-image.js";
import { publicKeyBeside } from "../core/signing-key.js";
import { printVerifierKey, type VerifierKey } from "../model/proof/verifier-key.js";
import { openImage } from "../stores/sqlite/image.js";
import { type CommandContext, withPipeline } from "./context.js";

/** A log as it is stored, with a checkpoint that covers what is asked about. */
export interface CoveredImage {
  readonly image: LogImage;
  readonly keys: KeySchedule;
  /** The key that signs at that checkpoint's size, as it is handed out. */
  readonly vkey: string;
  /** The key that was taken for this log's: the one that was given, or else the one beside the database. */
  readonly trusted: string;
  readonly checkpoint: CheckpointRow;
}

/**
 * Opens the log with its newest checkpoint; makes one first when that covers fewer events than `sizeOf` asks for.
 *
 * @param sizeOf how many events have to be covered; throws when what was asked for is not there.
 */
export async function withCoveredImage<T>(
  context: CommandContext,
  key: VerifierKey | undefined,
  sizeOf: (image: LogImage) => number,
  body: (covered: CoveredImage) => T,
): Promise<T> {
  if (!isCovered(context, sizeOf))
    await withPipeline(context, { create: false }, (pipeline) => pipeline.checkpoint());
  const image = openImage(context.database);
  try {
    const checkpoint = image.newestCheckpoint();
    if (checkpoint === undefined) throw new TypeError("a checkpoint that was made is not there");
    const known: KnownKeys = { key, ownKey: publicKeyBeside(`${context.database}.key`) };
    const { keys, trusted } = logKeys(image, known);
    return body({
      image,
      keys,
      vkey: keys.keys.at(-1) ?? "",
      trusted: printVerifierKey(trusted),
      checkpoint,
    });
  } finally {
    image.close();
  }
}

function isCovered(context: CommandContext, sizeOf: (image: LogImage) => number): boolean {
  const image = openImage(context.database);
  try {
    const needed = sizeOf(image);
    const newest = image.newestCheckpoint();
    return newest !== undefined && newest.size >= needed;
  } finally {
    image.close();
  }
}

/** Evidence proves nothing by a key that comes with it (SEMANTICS R5): says whose key was taken. */
export function noteOwnKey(context: CommandContext, vkey: string): void {
  context.note(
    `checked with the key of this machine, ${vkey}: whoever has that can sign anything; ` +
      "others should check with the verifier key that they were handed",
  );
}
