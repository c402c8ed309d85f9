import { describe, expect, it } from "vitest";
import { adminLane, type Job, Lanes } from "../../src/core/lanes.js";
import { isIdentifier } from "../../src/model/identifier.js";

function lanesWith(...names: readonly string[]): Lanes {
  const lanes = new Lanes();
  for (const [n, name] of names.entries()) add(lanes, name, n);
  return lanes;
}

function add(lanes: Lanes, lane: string, n: number): void {
  lanes.add({ lane, need: "new", run: () => n, resolve: () => undefined, reject: () => undefined });
}

/** `lane` and number of each job, in order. */
function shown(jobs: readonly Job[]): string {
  return jobs.map((job) => `${job.lane}${String(job.run(undefined as never))}`).join(" ");
}

describe("lanes (D9)", () => {
  it("one job a lane and round; each lane keeps its own order", () => {
    const lanes = lanesWith("a", "a", "a", "b", "c", "c");
    expect(shown(lanes.take(512))).toBe("a0 b3 c4 a1 c5 a2");
    expect(lanes.size).toBe(0);
    expect(lanes.take(512)).toEqual([]);
  });

  it("changes of authority go before everyone, in their order", () => {
    const lanes = lanesWith("a", adminLane, "b", adminLane);
    expect(shown(lanes.take(3))).toBe(`${adminLane}1 ${adminLane}3 a0`);
    expect(shown(lanes.take(3))).toBe("b2");
  });

  it("no agent can stand in the lane of changes of authority", () => {
    expect(isIdentifier(adminLane)).toBe(false);
    const lanes = lanesWith("a", "admin");
    expect(shown(lanes.take(1))).toBe("a0");
  });

  it("a lane with thousands delays another lane's one job by one turn", () => {
    const lanes = new Lanes();
    for (let n = 0; n < 5_000; n++) add(lanes, "busy", n);
    expect(shown(lanes.take(2))).toBe("busy0 busy1");
    add(lanes, "quiet", 0);
    expect(shown(lanes.take(2))).toBe("busy2 quiet0");
  });

  it("with more lanes than places, all come to their turn before any comes twice", () => {
    const lanes = new Lanes();
    for (let round = 0; round < 3; round++)
      for (let lane = 0; lane < 7; lane++) add(lanes, `l${lane}-`, round);
    const turns: string[][] = [];
    while (lanes.size > 0) turns.push(shown(lanes.take(3)).split(" "));
    expect(turns.map((turn) => turn.length)).toEqual([3, 3, 3, 3, 3, 3, 3]);
    const order = turns.flat();
    for (let round = 0; round < 3; round++) {
      expect(new Set(order.slice(round * 7, round * 7 + 7).map((each) => each.split("-")[0])).size).toBe(7);
    }
  });

  it("what is put back stands in front of what came after it", () => {
    const lanes = lanesWith("a", "a", "b", adminLane);
    const taken = lanes.take(512);
    add(lanes, "a", 8);
    add(lanes, adminLane, 9);
    lanes.putBack(taken);
    expect(lanes.size).toBe(6);
    expect(shown(lanes.take(512))).toBe(`${adminLane}3 ${adminLane}9 a0 b2 a1 a8`);
    expect(lanes.size).toBe(0);
  });
});
