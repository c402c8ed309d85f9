import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToJson, copyJson, ownJson } from "../../src/model/copy-json.js";
import { InvalidDataError } from "../../src/model/errors.js";
import type { JsonValue } from "../../src/model/json.js";
import { refused } from "./fixtures/refused.js";

const refusedAt = (value: unknown, path: string, limits?: Parameters<typeof copyJson>[1]) =>
  expect(refused(() => copyJson(value, limits), InvalidDataError, "invalid_data")).toMatchObject({ path });

describe("what is copied", () => {
  it("plain data comes out equal, frozen all the way down, and is not the original", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // This key is refused, which has a test of its own.
        fc.pre(!JSON.stringify(value).includes("__proto__"));
        const copied = copyJson(value);
        expect(JSON.stringify(sorted(copied))).toBe(JSON.stringify(sorted(value)));
        expect(isDeeplyFrozen(copied)).toBe(true);
      }),
    );
    const original = { a: [1] };
    const copied = copyJson(original);
    original.a.push(2);
    expect(copied).toEqual({ a: [1] });
  });

  it("keys in order, -0 as 0, `undefined` members left out, an object without a prototype", () => {
    expect(JSON.stringify(copyJson({ b: 1, a: -0, c: undefined }))).toBe('{"a":0,"b":1}');
    expect(Object.is(copyJson(-0), 0)).toBe(true);
    expect(copyJson(Object.assign(Object.create(null) as object, { a: 1 }))).toEqual({ a: 1 });
  });

  it("bytes as base64 (G4), large ones too", () => {
    for (const size of [0, 1, 2, 3, 0x8000, 0x8001, 100_000]) {
      const bytes = Uint8Array.from({ length: size }, (_, n) => (n * 31) & 255);
      expect(copyJson(bytes)).toEqual({ $bytes: Buffer.from(bytes).toString("base64") });
      expect(bytesToJson(Buffer.from(bytes))).toEqual(copyJson(bytes));
    }
  });
});

describe("what is refused, with the path of the first of it", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  class Odd {
    a = 1;
  }
  it.each<[string, unknown, string]>([
    ["a function", { a: [() => 1] }, "$.a[0]"],
    ["a symbol", Symbol("x"), "$"],
    ["a bigint", { a: 1n }, "$.a"],
    ["undefined", undefined, "$"],
    ["a hole", { a: new Array<number>(1) }, "$.a[0]"],
    ["NaN", [Number.NaN], "$[0]"],
    ["infinity", { a: -Infinity }, "$.a"],
    ["a lone surrogate", { a: "\ud800" }, "$.a"],
    ["a key that is one", { "\udfff": 1 }, "$.\udfff"],
    ["a class of its own", { a: new Odd() }, "$.a"],
    ["a date", new Date(0), "$"],
    ["a map", new Map(), "$"],
    ["a boxed string", Object("text") as unknown, "$"],
    ["a symbol as a key", { [Symbol("x")]: 1 }, "$"],
    ["the key __proto__", JSON.parse('{"a":{"__proto__":{"b":1}}}'), "$.a.__proto__"],
  ])("%s", (_name, value, path) => {
    refusedAt(value, path);
  });

  it("a cycle, and nesting beyond the limit", () => {
    expect(refused(() => copyJson(cycle), InvalidDataError, "invalid_data").message).toContain("too deeply");
    const nest = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown;
    expect(copyJson(nest(64))).toBeDefined();
    refused(() => copyJson(nest(65)), InvalidDataError, "invalid_data");
  });

  it("too many values, too much text, a sparse array of 2^32 holes", () => {
    const limits = { depth: 4, values: 10, characters: 20 };
    expect(copyJson([1, 2, 3, 4, 5, 6, 7, 8, 9], limits)).toHaveLength(9);
    refused(() => copyJson([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], limits), InvalidDataError, "invalid_data");
    expect(copyJson({ k: "x".repeat(19) }, limits)).toBeDefined();
    refusedAt({ k: "x".repeat(20) }, "$.k", limits);
    refusedAt({ k: new Uint8Array(16) }, "$.k", limits);
    const sparse: number[] = [];
    sparse.length = 2 ** 32 - 1;
    refusedAt(sparse, "$");
  });
});

describe("hostile values (STYLE: copied once, then checked)", () => {
  it("a getter is refused and never called", () => {
    let called = 0;
    const trap = Object.defineProperty({}, "a", { enumerable: true, get: () => ++called });
    refusedAt(trap, "$.a");
    refusedAt({ deep: [trap] }, "$.deep[0].a");
    expect(called).toBe(0);
  });

  it("a proxy that answers differently each time is read once and fixed", () => {
    let reads = 0;
    const shifty = new Proxy(
      { path: "/safe" },
      {
        getOwnPropertyDescriptor: () => ({
          value: reads++ === 0 ? "/safe" : "/etc/shadow",
          enumerable: true,
          configurable: true,
          writable: true,
        }),
      },
    );
    const copied = copyJson(shifty);
    expect(copied).toEqual({ path: "/safe" });
    expect(copied).toEqual({ path: "/safe" });
    expect(reads).toBe(1);
  });

  it("a proxy whose traps throw, one that was revoked, and one with a length of its own are refused as data", () => {
    const thrower = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new TypeError("from inside");
        },
      },
    );
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const long = new Proxy([1], {
      getOwnPropertyDescriptor: (target, key) =>
        key === "length"
          ? { value: { valueOf: () => 1 }, writable: true, enumerable: false, configurable: false }
          : Reflect.getOwnPropertyDescriptor(target, key),
    });
    const bytes = new Proxy(new Uint8Array(3), {});
    for (const value of [thrower, revoked.proxy, long, bytes]) {
      const error = refused(() => copyJson(value), InvalidDataError, "invalid_data");
      expect(error.message).not.toContain("from inside");
    }
  });

  it("a toJSON method is data like any other, so it is refused and not called", () => {
    refusedAt({ toJSON: () => ({ a: 1 }) }, "$.toJSON");
  });
});

describe("data that was parsed and is nobody else's", () => {
  const outcome = (take: () => unknown): unknown => {
    try {
      return take();
    } catch (error) {
      return (error as Error).constructor;
    }
  };

  it("is frozen where it is, and refused where a copy would be", () => {
    const key = fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("__proto__", "\ud800", "constructor"));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small" },
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 3 }),
          fc.constant("\udc00"),
          fc.double(),
          fc.boolean(),
        ),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.array(tree), (value) => {
        const text = JSON.stringify(value);
        const copied = outcome(() => copyJson(JSON.parse(text)));
        const owned = outcome(() => ownJson(JSON.parse(text) as JsonValue));
        expect(owned).toEqual(copied);
        if (typeof owned !== "function") expect(isDeeplyFrozen(owned)).toBe(true);
      }),
      { numRuns: 3_000, seed: 5 },
    );
  });

  it.each([
    ["nested as deeply as a copy may be", 64, true],
    ["nested deeper", 65, false],
  ])("%s", (_what, depth, isTaken) => {
    const text = "[".repeat(depth) + "]".repeat(depth);
    const taken = [copyJson, ownJson].map((take) =>
      Array.isArray(outcome(() => take(JSON.parse(text) as JsonValue))),
    );
    expect(taken).toEqual([isTaken, isTaken]);
  });

  it("a number that JSON does not have is refused", () => {
    for (const take of [copyJson, ownJson])
      refused(() => take([JSON.parse("1e999") as number]), InvalidDataError, "invalid_data");
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value === 0 ? 0 : value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

function isDeeplyFrozen(value: unknown): boolean {
  return (
    typeof value !== "object" ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen))
  );
}
