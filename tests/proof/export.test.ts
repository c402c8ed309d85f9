import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/model/json.js";
import { entryBytes } from "../../src/model/proof/entry.js";
import { printEntryBundle } from "../../src/model/proof/entry-bundle.js";
import { tilesOf, tilePath } from "../../src/model/proof/tile.js";
import { verifyExport } from "../../src/verify.js";
import { MemoryLog, put, readerOf } from "./fixtures/exported.js";
import { nodeCrypto, testKey } from "./fixtures/keys.js";
import { bitFlips, laterRefusal } from "./fixtures/refusal.js";
import type { SmallLog } from "./fixtures/small-log.js";
import { authorized } from "./fixtures/small-log.js";

const key = testKey("synapse.local/log", 1);

/** A log of `size` events that make sense together. */
function eventsOf(size: number): JsonObject[] {
  const log = authorized();
  for (let n = 1; log.events.length < size - 1; n++) {
    log.effect("effect_attempted", "evt_3", n).effect("effect_performed", "evt_3", n);
  }
  if (log.events.length < size) log.complete("evt_3");
  return log.events.slice(0, size);
}
const logOf = (events: readonly JsonObject[]) => new MemoryLog(events.map(entryBytes));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "synapse-export-"));
});
afterEach(() => rm(folder, { recursive: true }));

const verify = (options: Parameters<typeof verifyExport>[2] = {}, keys = key.vkey) =>
  verifyExport(readerOf(folder), keys, options);

describe("an exported log", () => {
  it("is verified down to every entry, with the key alone", async () => {
    for (const size of [0, 1, 2, 255, 256, 257, 600]) {
      const events = eventsOf(size);
      await logOf(events).export(folder, key);
      const seen: number[] = [];
      const report = await verify({ onProgress: (done, of) => seen.push(done, of) });
      expect(report.checkpoint.size).toBe(size);
      expect(report.last).toEqual(events.at(-1));
      expect(seen.slice(-2)).toEqual(size === 0 ? [] : [size, size]);
      expect((await verify({ crypto: nodeCrypto })).checkpoint).toEqual(report.checkpoint);
    }
  });

  it("may be written bit by bit, and may have dropped partial tiles", async () => {
    const events = eventsOf(600);
    const log = logOf(events);
    let before = 0;
    for (const size of [3, 200, 256, 300, 600]) {
      await log.export(folder, key, size, before);
      expect((await verify()).checkpoint.size).toBe(size);
      before = size;
    }
    // An older checkpoint, whose partial tiles were replaced by full ones since.
    for (const tile of tilesOf(200)) await rm(join(folder, tilePath(tile)));
    await writeFile(join(folder, "checkpoint"), key.checkpoint(200, log.root(200)));
    expect((await verify()).last).toEqual(events[199]);
  });

  it("is compared with a checkpoint that was kept elsewhere", async () => {
    const log = logOf(eventsOf(600));
    await log.export(folder, key);
    for (const size of [0, 1, 256, 300, 600]) {
      const report = await verify({ against: key.checkpoint(size, log.root(size)) });
      expect(report.against?.size).toBe(size);
    }
    await laterRefusal(verify({ against: key.checkpoint(601, log.root(600)) }), "checkpoint_behind");
    for (const size of [0, 1, 300, 600]) {
      const rewritten = key.checkpoint(size, log.root(599));
      await laterRefusal(verify({ against: rewritten }), "root_mismatch");
    }
    await laterRefusal(verify({ against: testKey("other", 2).checkpoint(5, log.root(5)) }), "unknown_key");
    await laterRefusal(verify({ against: key.checkpoint(5, log.root(5), "other") }), "wrong_origin");
  });

  it("verifies with the keys of before and after a change of keys", async () => {
    const next = testKey(key.key.name, 7);
    const log = logOf(eventsOf(10));
    await log.export(folder, next);
    await laterRefusal(verify(), "unknown_key");
    const report = await verifyExport(readerOf(folder), [key.vkey, next.vkey], {
      against: key.checkpoint(5, log.root(5)),
    });
    expect(report.against?.size).toBe(5);
  });
});

describe("an export that was tampered with", () => {
  const size = 20;
  const events = eventsOf(size);

  it("is refused with any bit flipped in any of its files", async () => {
    await logOf(events).export(folder, key);
    const files = ["checkpoint", ...[...tilesOf(size)].map(tilePath)];
    for (const path of files) {
      const bytes = new Uint8Array(await readFile(join(folder, path)));
      let tried = 0;
      for (const flipped of bitFlips(bytes)) {
        // The bundle is long: every 41st bit falls on every place within a byte.
        if (path.includes("entries") && tried++ % 41 !== 0) continue;
        const read = async (wanted: string) => (wanted === path ? flipped : readFile(join(folder, wanted)));
        const codes =
          path === "checkpoint"
            ? (["malformed_note", "unknown_key", "invalid_signature"] as const)
            : path.includes("entries")
              ? (["entry_mismatch", "malformed_tile"] as const)
              : (["root_mismatch"] as const);
        await laterRefusal(verifyExport(read, key.vkey, { crypto: nodeCrypto }), ...codes);
      }
    }
  });

  it("names the first event that is not the one that was logged", async () => {
    const log = logOf(events);
    const bundle = "tile/entries/000.p/20";
    const changed = events.map((event, i) => (i >= 6 && i < 12 ? { ...event, id: "other" } : event));
    const wrong: readonly (readonly [string, readonly JsonObject[], number])[] = [
      ["changed", changed, 7],
      ["swapped", events.toSpliced(8, 2, events[9] as JsonObject, events[8] as JsonObject), 9],
      ["duplicated, the last cut off", events.toSpliced(4, 0, events[4] as JsonObject).slice(0, size), 6],
      ["removed, one put at the end", [...events.toSpliced(10, 1), events[0] as JsonObject], 11],
    ];
    for (const [what, list, seq] of wrong) {
      await log.export(folder, key);
      await put(folder, bundle, printEntryBundle(list.map(entryBytes)));
      const error = await laterRefusal(verify(), "entry_mismatch");
      expect([what, error.seq, error.path]).toEqual([what, seq, bundle]);
    }
    for (const list of [events.slice(1), [...events, events[0] as JsonObject]]) {
      await put(folder, bundle, printEntryBundle(list.map(entryBytes)));
      expect((await laterRefusal(verify(), "malformed_tile")).path).toBe(bundle);
    }
  });

  it("is refused when everything was rewritten but the signature", async () => {
    const rewritten = logOf(events.map((event, i) => (i === 6 ? { ...event, id: "other" } : event)));
    await rewritten.export(folder, testKey(key.key.name, 2));
    await laterRefusal(verify(), "unknown_key");
    await writeFile(join(folder, "checkpoint"), key.checkpoint(size, logOf(events).root()));
    await laterRefusal(verify(), "root_mismatch");
  });

  it("is refused when a file is missing, and says which", async () => {
    const many = logOf(eventsOf(600));
    await many.export(folder, key);
    for (const path of ["checkpoint", ...[...tilesOf(600)].map(tilePath)]) {
      const bytes = await readFile(join(folder, path));
      await rm(join(folder, path));
      const error = await laterRefusal(verify(), "missing_file");
      expect(error.path).toBe(path);
      expect(error.cause).toMatchObject({ code: "ENOENT" });
      await writeFile(join(folder, path), bytes);
    }
    expect((await verify()).checkpoint.size).toBe(600);
  });

  it("names a hash tile that was changed, and not the entries below it", async () => {
    await logOf(eventsOf(600)).export(folder, key);
    const path = join(folder, "tile/0/001");
    const bytes = await readFile(path);
    bytes[70] = (bytes[70] as number) ^ 1;
    await writeFile(path, bytes);
    expect((await laterRefusal(verify(), "tile_mismatch")).path).toBe("tile/0/001");
  });
});

describe("a log that was signed and makes no sense", () => {
  it("is refused at its first wrong event: the key is not above the grammar", async () => {
    const wrong: readonly (readonly [SmallLog, "wrong_order" | "malformed_entry"])[] = [
      [authorized().authorize("evt_3"), "wrong_order"],
      [authorized().add("policy_ignored"), "malformed_entry"],
      [authorized().revokeBinding("b").complete("evt_3"), "wrong_order"],
    ];
    for (const [log, code] of wrong) {
      await logOf(log.events).export(folder, key);
      expect((await laterRefusal(verify(), code)).seq).toBe(log.events.length);
    }
  });

  it("is refused at an entry that is not in canonical form, is no object, or is no JSON", async () => {
    const [first, second] = eventsOf(2).map(entryBytes) as [Uint8Array, Uint8Array];
    const text = Buffer.from(second).toString();
    const odd: readonly Uint8Array[] = [
      Buffer.from(`${text} `),
      Buffer.from(text.replace(":", ": ")),
      Buffer.from(text.replace("{", '{"agent_id":"b",')),
      Buffer.from(`\ufeff${text}`),
      Buffer.from("[]"),
      Buffer.from('"x"'),
      Buffer.from(""),
      Buffer.from("{"),
      Buffer.from('{"a":1E400}'),
      Buffer.from('{"a":-0}'),
      Buffer.from('{"a":"\\ud800"}'),
      Buffer.from('{"b":1,"a":2}'),
      Uint8Array.of(0x22, 0xff, 0x22),
      Buffer.from(`${"[".repeat(30_000)}${"]".repeat(30_000)}`),
    ];
    for (const entry of odd) {
      await new MemoryLog([first, entry]).export(folder, key);
      const error = await laterRefusal(verify(), "malformed_entry");
      expect(error.seq).toBe(2);
    }
  });
});
