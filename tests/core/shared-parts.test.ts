import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  largeMembers,
  recordOf,
  sharedRecord,
  withoutPlaces,
  withoutShared,
  withShared,
} from "../../src/core/shared-parts.js";
import { canonicalJson } from "../../src/model/canonical.js";
import type { JsonObject, JsonValue } from "../../src/model/json.js";
import { replayDatabase } from "../replay/replay-database.js";
import { job, openWorld } from "./world.js";

const large = "x".repeat(5_000);
const plain = (value: unknown): JsonValue => JSON.parse(JSON.stringify(value)) as JsonValue;

describe("what a use shares with the parameters of its step", () => {
  it.each<[string, JsonValue, JsonObject, readonly string[]]>([
    ["a member of the same name", { a: large, b: 1 }, { a: large }, ["/a"]],
    ["one of a member", { p: { a: large, b: 1 }, m: "x" }, { a: large }, ["/p/a"]],
    ["both", { a: large, p: { a: large } }, { a: large }, ["/a", "/p/a"]],
    ["an object, its members in another order", { a: { y: large, x: 1 } }, { a: { x: 1, y: large } }, ["/a"]],
    ["names that a pointer escapes", { "a/~b": { "/~": large } }, { "/~": large }, ["/a~1~0b/~1~0"]],
    ["a name that looks escaped", { "~1": large }, { "~1": large }, ["/~01"]],
    [
      "a member `__proto__`",
      plain(JSON.parse(`{"__proto__":"${large}"}`)),
      plain(JSON.parse(`{"__proto__":"${large}"}`)) as JsonObject,
      ["/__proto__"],
    ],
    [
      "what holds another one that is shared: whole",
      { p: { a: large } },
      { a: large, p: { a: large } },
      ["/p"],
    ],
    ["small things: not", { a: "x".repeat(4_000) }, { a: "x".repeat(4_000) }, []],
    ["another value of the name: not", { a: `${large}y` }, { a: large }, []],
    ["another name: not", { b: large }, { a: large }, []],
    ["deeper: not", { p: { q: { a: large } } }, { a: large }, []],
    ["a list: not", [large], { a: large }, []],
    ["nothing of it", "text", { a: large }, []],
  ])("%s", (_what, request, params, places) => {
    const shared = withoutShared(request, params, largeMembers(params));
    expect(shared.places).toEqual(places);
    expect(canonicalJson(shared.request).includes(large)).toBe(
      places.length === 0 && canonicalJson(request).includes(large),
    );
    expect(withShared(shared.request, places, params)).toEqual(request);
    expect(withoutPlaces(request, places, params)).toEqual(shared.request);
  });

  it("law: put back it is what was asked, and asked again it is recorded alike", () => {
    const leaf = fc.oneof(
      fc.constant(large),
      fc.constant([large, 1]),
      fc.constant({ a: large }),
      fc.string(),
      fc.constant(null),
    );
    const name = fc.constantFrom("a", "b", "p", "a/b", "~", "__proto__");
    const record = <T>(value: fc.Arbitrary<T>) => fc.dictionary(name, value, { noNullPrototype: true });
    const request = record(fc.oneof(leaf, record(leaf)));
    let shared = 0;
    fc.assert(
      fc.property(request, request, fc.boolean(), (asked, other, isSame) => {
        const params = plain(isSame ? { ...other, ...asked } : other) as JsonObject;
        const value = plain(asked);
        const before = canonicalJson(value);
        const { request: own, places } = withoutShared(value, params, largeMembers(params));
        shared += places.length;
        expect(canonicalJson(value)).toBe(before);
        expect(canonicalJson(withShared(own, places, params))).toBe(before);
        expect(canonicalJson(withoutPlaces(value, places, params) ?? "")).toBe(canonicalJson(own));
        if (places.length > 0)
          expect(sharedRecord(recordOf({ request: own, places }))).toEqual({ request: own, places });
      }),
      { numRuns: 3_000, seed: 31 },
    );
    expect(shared).toBeGreaterThan(1_000);
  });

  it.each<[string, JsonValue]>([
    ["no object", "text"],
    ["no places", { request: 1 }],
    ["places that are no list", { places: "/a", request: 1 }],
    ["a place that is no text", { places: [1], request: 1 }],
    ["no pointer", { places: ["a"], request: 1 }],
    ["too deep", { places: ["/a/b/c"], request: 1 }],
    ["an escape that is none", { places: ["/~2"], request: 1 }],
    ["the same place twice", { places: ["/a", "/a"], request: 1 }],
    ["too many", { places: Array.from({ length: 9 }, (_, n) => `/${n}`), request: 1 }],
    ["something more", { places: [], request: 1, x: 1 }],
  ])("a record with %s is none that was ever made", (_what, value) => {
    expect(sharedRecord(value)).toBeUndefined();
  });

  it("of many large ones some are shared, so that none costs more than a few copies", () => {
    const params = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`p${n}`, large]));
    const { places, request } = withoutShared(params, params, largeMembers(params));
    expect(places).toHaveLength(8);
    expect(withShared(request, places, params)).toEqual(params);
  });

  it("asked with anything else in a place, it is not the same", () => {
    const params = { a: large };
    for (const request of [{ a: `${large}y` }, { a: null }, { b: large }, {}, "text", [large]])
      expect(withoutPlaces(request, ["/a"], params)).toBeUndefined();
    expect(withoutPlaces({ a: large }, ["/a"], {})).toBeUndefined();
    expect(withoutPlaces({ p: 1 }, ["/p/a"], params)).toBeUndefined();
  });
});

describe("large content that an action hands on", () => {
  const value = "y".repeat(100_000);
  const writing = (content: (given: string) => JsonValue) =>
    job((params, { memory }) => memory.set("k", content(params["value"] as string)), {
      requires: () => "memory:write:k",
      replayable: true,
    });

  async function recorded() {
    const action = writing((given) => given);
    const world = await openWorld({ actions: [action] });
    await world.grant("agent", "memory:write:**");
    const fields = { requiredCapability: "memory:write:**", actionParams: { value } };
    const result = await world.pipeline.executor.executeStep(world.context({ action, ...fields }));
    expect(result.status).toBe("completed");
    return world;
  }

  it("is kept once, with the parameters, and what an action does with it is replayed", async () => {
    const world = await recorded();
    const [attempt] = world.committed().filter(({ event }) => event === "effect_attempted");
    expect(attempt).toMatchObject({ effect: "memory.set", request_shares: true });
    const db = new Database(world.database, { readonly: true });
    const kept = db.prepare("SELECT count(*) FROM blobs WHERE length(bytes) > 50000").pluck().get();
    db.close();
    expect(kept).toBe(1);
    // It is replayed and compared when the world ends.
    await world.close();
  });

  it.each<[string, (given: string) => JsonValue]>([
    ["changed at its end", (given) => `${given}!`],
    ["left out", () => null],
  ])("%s, it is another request, and both are shown whole", async (_what, content) => {
    const world = await recorded();
    const [replay] = await replayDatabase(world.database, world.folder, [writing(content)]);
    expect(replay?.execution).toMatchObject({
      status: "diverged",
      divergence: {
        message: "use 1 of a handle differs: another request",
        recorded: { request: { bytes: canonicalJson({ key: "k", value }).length } },
      },
    });
    await world.close();
  });
});
