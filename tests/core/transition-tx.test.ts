import { afterEach, expect, test } from "vitest";
import { LeaseKeeper } from "../../src/core/lease-keeper.js";
import { type Made, transitionTx } from "../../src/core/transition-tx.js";
import type { EventBody } from "../../src/model/event.js";
import { State } from "../../src/model/state.js";

const lease = new LeaseKeeper(() => Promise.resolve(), undefined);

function emitted(body: EventBody) {
  const made: Made = { events: [], writes: [] };
  const ids = { next: (kind: string) => `${kind}_1` };
  const at = Date.parse("2026-01-01T00:00:00.000Z");
  return transitionTx(made, { state: new State(), at, writer: "w", ids, lease }).emit(body);
}

const polluted = ["id", "seq", "timestamp", "note"];
afterEach(() => {
  for (const member of polluted) Reflect.deleteProperty(Object.prototype, member);
});

test("what the writer says of an event stands, whatever its body says", () => {
  const claims = {
    id: "evt_forged",
    seq: 99,
    timestamp: "2000-01-01T00:00:00.000Z",
    protocol_version: "0.1",
  };
  expect(emitted({ event: "x_note", ...claims })).toEqual({
    event: "x_note",
    id: "evt_1",
    seq: 1,
    timestamp: "2026-01-01T00:00:00.000Z",
    protocol_version: "1.0",
  });
});

test("a setter on Object.prototype takes no part in what is recorded", () => {
  const caught: unknown[] = [];
  for (const member of polluted) {
    Object.defineProperty(Object.prototype, member, {
      configurable: true,
      get: () => "forged",
      set: (value: unknown) => void caught.push(value),
    });
  }
  const event = emitted({ event: "x_note", note: "kept" });
  expect(Object.keys(event).sort()).toEqual(["event", "id", "note", "protocol_version", "seq", "timestamp"]);
  expect(JSON.parse(JSON.stringify(event))).toMatchObject({ id: "evt_1", seq: 1, note: "kept" });
  expect(caught).toEqual([]);
});
