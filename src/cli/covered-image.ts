import { type KnownKeys, logKeys } from "../audit/log-keys.js";
import type { KeySchedule } from "../audit/key-schedule.js";
import type { CheckpointRow, LogImage } from "../core/log-image.js";
import { publicKeyBeside } from "../core/signing-key.js";
import type { VerifierKey } from "../model/proof/verifier-key.js";
import { openImage } from "../stores/sqlite/image.js";
import { type CommandContext, withPipeline } from "./context.js";

/** A log as it is stored, with a checkpoint that covers what is asked about. */
export interface CoveredImage {
  readonly image: LogImage;
  readonly keys: KeySchedule;
  /** The key that signs at that checkpoint's size, as it is handed out. */
  readonly vkey: string;
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
  body: (covered: CoveredImage) => T | Promise<T>,
): Promise<T> {
  if (!isCovered(context, sizeOf))
    await withPipeline(context, { create: false }, (pipeline) => pipeline.checkpoint());
  const image = openImage(context.database);
  try {
    const checkpoint = image.newestCheckpoint();
    if (checkpoint === undefined) throw new TypeError("a checkpoint that was made is not there");
    const known: KnownKeys = { key, ownKey: publicKeyBeside(`${context.database}.key`) };
    const { keys } = logKeys(image, known);
    return await body({ image, keys, vkey: keys.keys.at(-1) ?? "", checkpoint });
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
