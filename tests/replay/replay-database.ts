import { existsSync } from "node:fs";
import { createReplayHandles } from "../../src/actions/handles/index.js";
import { allBuiltinActions } from "../../src/actions/index.js";
import { type Action, ActionRegistry } from "../../src/index.js";
import type { BlobKey } from "../../src/core/store.js";
import { eventsOf } from "../../src/core/log-reader.js";
import { isDiverged, replayLog, type ReplayOptions, type StepReplay } from "../../src/replay/replay-log.js";
import { openImage } from "../../src/stores/sqlite/image.js";

/** Every request of a log, decided and run again from the record. */
export async function replayDatabase(
  database: string,
  workingFolder: string,
  actions: readonly Action[] = [],
  more: Partial<Pick<ReplayOptions, "selects" | "patience">> = {},
): Promise<StepReplay[]> {
  const image = openImage(database);
  try {
    const replays: StepReplay[] = [];
    const parts = {
      actions: new ActionRegistry([...allBuiltinActions, ...actions]),
      handles: createReplayHandles(workingFolder),
      read: (key: BlobKey) => image.blob(key),
    };
    const events = eventsOf(image, image.eventCount());
    const options = { ...parts, events, selects: () => true, ...more };
    for await (const replay of replayLog(options)) replays.push(replay);
    return replays;
  } finally {
    image.close();
  }
}

/** What a test recorded has to replay as it was; a test that destroyed its own database has nothing to replay. */
export async function expectSameAgain(
  database: string,
  workingFolder: string,
  actions: readonly Action[] = [],
): Promise<void> {
  if (database === ":memory:" || !existsSync(database)) return;
  const diverged = (await replayDatabase(database, workingFolder, actions)).filter(isDiverged);
  if (diverged.length > 0)
    throw new Error(`the replay of what this test recorded diverges: ${JSON.stringify(diverged, null, 2)}`);
}
