import type { StoreDriver, StoreTransaction } from "../../src/core/store.js";
import { canonicalJson } from "../../src/model/canonical.js";
import { changesOf } from "../../src/model/change.js";
import type { AuditEvent } from "../../src/model/event.js";
import { State } from "../../src/model/state.js";
import { World } from "../model/fixtures/world.js";

export function sampleWorld(): World {
  const world = new World();
  world.issue("fs:read", { delegable: true, constraints: { max_uses: 5, rate: { limit: 3, per: "1m" } } });
  world.bind("a", "fs:read", { expiresAt: "1h" });
  world.step("fs:read:/x");
  world.suspend("b");
  world.tx.emit({ event: "policy_applied", policy: "p", file: "/p.yaml" });
  world.tx.emit({ event: "run_started", run_id: "r", workflow_id: "w" });
  world.tx.emit({ event: "x_note", text: 'quotes " and \u2028 and 😀', n: 1e21, deep: [[[{}]]] });
  return world;
}

export function numbered(
  bodies: readonly { readonly event: string; readonly [member: string]: string | null }[],
): AuditEvent[] {
  return bodies.map((body, n) => ({
    ...body,
    id: `evt-${n + 1}`,
    seq: n + 1,
    timestamp: "2026-01-01T00:00:00.000Z",
    protocol_version: "1.0",
  }));
}

export function begin(driver: StoreDriver): StoreTransaction {
  const tx = driver.begin();
  if (tx === undefined) throw new Error("somebody else is writing");
  return tx;
}

export function append(tx: StoreTransaction, event: AuditEvent): void {
  tx.append(event, canonicalJson(event), changesOf(event));
}

export function write(driver: StoreDriver, events: readonly AuditEvent[]): void {
  const tx = begin(driver);
  for (const event of events) append(tx, event);
  tx.commit();
}

/** In transactions of different sizes, each tried once and taken back before it stands. */
export function writeInPieces(
  driver: StoreDriver,
  events: readonly AuditEvent[],
  cuts: readonly number[],
): void {
  let from = 0;
  for (const size of [...cuts, events.length]) {
    const piece = events.slice(from, from + size);
    const tried = begin(driver);
    for (const event of piece) append(tried, event);
    tried.rollback();
    write(driver, piece);
    from += piece.length;
  }
}

export function loaded(driver: StoreDriver): State {
  const state = new State();
  driver.load(state);
  return state;
}
