import { openImage } from "../stores/sqlite/image.js";
import type { LogImage } from "../core/log-image.js";
import { NotFoundError } from "../model/errors.js";
import type { CommandContext } from "./context.js";

/**
 * Opens the log read-only, as it is at this moment, for commands that record nothing (SEMANTICS R4).
 *
 * @throws StoreError `missing_store`, `database_damaged`.
 */
export async function withImage<T>(
  context: CommandContext,
  body: (image: LogImage) => Promise<T> | T,
): Promise<T> {
  const image = openImage(context.database);
  try {
    return await body(image);
  } finally {
    image.close();
  }
}

/** @throws NotFoundError when no such run was ever started. */
export function assertRun(image: LogImage, runId: string | undefined): void {
  if (runId === undefined) return;
  for (const run of image.runs()) if (run.run_id === runId) return;
  throw new NotFoundError("run", runId, "synapse runs lists them");
}
