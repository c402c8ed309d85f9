import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { nodeTreeHasher } from "../../src/core/tree-hasher.js";
import { appendLeaf, emptyRange } from "../../src/model/proof/compact-range.js";
import type { AuditEvent } from "../../src/model/event.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { lagMax, lagWorthwhile } from "../../src/stores/sqlite/projections.js";
import { append, begin, write } from "./contract-writing.js";

/*
 * A process keeps what it appended, and the nodes of the tree that it completed, until the tables follow. What stands in
 * them has to be what the log says, whoever else wrote in between, whoever brought the tables along, and whatever was
 * taken back.
 */

/** The events of one turn, which differ from those of every other one: what was taken back has been said by nobody. */
function eventsOf(turn: number, after: number, count: number): AuditEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    event: "step_execution_requested",
    agent_id: `agent-${n % 3}`,
    id: `evt-${turn}-${n}`,
    seq: after + n + 1,
    timestamp: "2026-01-01T00:00:00.000Z",
    protocol_version: "1.0",
  }));
}

interface Turn {
  readonly writer: number;
  readonly size: number;
  readonly ending: "commit" | "rollback" | "settle";
}

const turn: fc.Arbitrary<Turn> = fc.record({
  writer: fc.nat({ max: 1 }),
  // Every 256th leaf completes a node that is kept.
  size: fc.oneof(fc.nat({ max: 5 }), fc.integer({ min: 200, max: 600 })),
  ending: fc.constantFrom("commit", "commit", "rollback", "settle"),
});

function written(file: string, turns: readonly Turn[]): number {
  const writers = [new SqliteDriver(file, { create: true }), new SqliteDriver(file, { create: true })];
  let size = 0;
  const last: Turn = { writer: 0, size: 1, ending: "settle" };
  for (const [n, { writer, size: count, ending }] of [...turns, last].entries()) {
    const tx = begin(writers[writer] as SqliteDriver);
    const piece = eventsOf(n, size, count);
    for (const event of piece) append(tx, event);
    // Whoever gives back a lease brings the tables to the end of the log.
    if (ending === "settle") tx.removeLease("nobody");
    if (ending === "rollback") tx.rollback();
    else {
      tx.commit();
      size += piece.length;
    }
  }
  for (const writer of writers) writer.close();
  return size;
}

/** What events are found by, beside what they say. */
function keysOf(file: string): { readonly kept: unknown[]; readonly said: unknown[] } {
  const db = new Database(file, { readonly: true });
  const rows = (query: string) => db.prepare(query).raw().all();
  const found = "FROM event_keys k, json_each('[' || places || ']') place";
  const kept = [
    ...rows(`SELECT block * 256 + place.value AS seq, k.kind, k.key ${found} ORDER BY seq, kind`),
    ...rows("SELECT block, first, last FROM event_ids ORDER BY block"),
  ];
  const blocks = "SELECT seq / 256 AS block, min(doc ->> '$.id'), max(doc ->> '$.id') FROM events GROUP BY 1";
  const said = [
    ...rows("SELECT seq, 'agent', doc ->> '$.agent_id' FROM events ORDER BY seq"),
    ...rows(`${blocks} ORDER BY 1`),
  ];
  db.close();
  return { kept, said };
}

type Node = readonly [level: number, index: number, hash: string];

function keptIn(file: string): { readonly size: number; readonly nodes: Node[]; readonly hashes: string } {
  const db = new Database(file, { readonly: true });
  const rows = db.prepare("SELECT level, idx, hex(hash) FROM tree_nodes ORDER BY level, idx").raw().all();
  const head = db.prepare("SELECT size, hex(hashes) AS hashes FROM tree_head").get() as {
    size: number;
    hashes: string;
  };
  db.close();
  return { ...head, nodes: rows as Node[] };
}

/** From the leaves of the whole log, in one go. */
function ofLeaves(file: string): ReturnType<typeof keptIn> {
  const db = new Database(file, { readonly: true });
  const leaves = db.prepare("SELECT leaf FROM events ORDER BY seq").pluck().all() as Buffer[];
  db.close();
  const nodes: Node[] = [];
  let range = emptyRange();
  for (const leaf of leaves) {
    range = appendLeaf(nodeTreeHasher, range, leaf, (level, index, hash) => {
      if (level > 0 && level % 8 === 0) nodes.push([level, index, hexOf(hash)]);
    });
  }
  nodes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return { size: range.end, nodes, hashes: range.hashes.map(hexOf).join("") };
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex").toUpperCase();

it("the tables say what the log says, whoever wrote and brought them along, and whatever was taken back", () => {
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
      const folder = mkdtempSync(join(tmpdir(), "synapse-nodes-"));
      try {
        const file = join(folder, "log.db");
        const size = written(file, turns);
        const kept = keptIn(file);
        expect(kept).toEqual(ofLeaves(file));
        expect(kept.size).toBe(size);
        const { kept: keys, said } = keysOf(file);
        expect(keys).toEqual(said);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    {
      numRuns: 60,
      examples: [
        [[{ writer: 0, size: 200, ending: "rollback" }]],
        [
          [
            { writer: 0, size: 5, ending: "rollback" },
            { writer: 1, size: 5, ending: "commit" },
            { writer: 0, size: 0, ending: "settle" },
          ],
        ],
        [
          [
            { writer: 0, size: 5, ending: "commit" },
            { writer: 1, size: 5, ending: "commit" },
            { writer: 0, size: 0, ending: "settle" },
          ],
        ],
      ],
    },
  );
});

it("two that write in turn leave the tables no further behind than one does", () => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-turns-"));
  try {
    const file = join(folder, "log.db");
    const writers = [new SqliteDriver(file, { create: true }), new SqliteDriver(file, { create: true })];
    // Not at a multiple of the distance, where both would be at the end.
    const size = 2 * lagMax + 900;
    for (let n = 0; n < size; n += 4) write(writers[(n / 4) % 2] as SqliteDriver, eventsOf(n, n, 4));
    expect(keptIn(file).size).toBeGreaterThan(size - lagMax - 1);
    for (const writer of writers) writer.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("a checkpoint, which is slow anyway, brings them along when they are many events behind", () => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-checkpoint-"));
  try {
    const file = join(folder, "log.db");
    const driver = new SqliteDriver(file, { create: true });
    const checkpointed = (size: number) => {
      const tx = begin(driver);
      tx.putCheckpoint({ size, note: "none" });
      tx.commit();
      return keptIn(file).size;
    };
    const few = lagWorthwhile - 10;
    write(driver, eventsOf(0, 0, few));
    expect(checkpointed(few)).toBe(0);
    write(driver, eventsOf(1, few, 20));
    expect(keptIn(file).size).toBe(0);
    expect(checkpointed(few + 20)).toBe(few + 20);
    driver.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
