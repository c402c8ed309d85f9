import { describe, expect, it } from "vitest";
import { commonBlocks } from "../../src/model/constraint/blocks.js";
import { confinesProcess, parseConstraints } from "../../src/model/constraint/index.js";
import { InvalidConstraintError } from "../../src/model/errors.js";
import { refused } from "../model/fixtures/refused.js";
import { World } from "../model/fixtures/world.js";

const refusedFor = (input: unknown, constraint: string, of = "fs:read") =>
  expect(
    refused(() => parseConstraints(input, of), InvalidConstraintError, "invalid_constraint"),
  ).toMatchObject({ constraint });

describe("the set of constraints is closed (K)", () => {
  it("all of them together are taken as they are, frozen", () => {
    const all = {
      max_uses: 3,
      rate: { limit: 10, per: "1m" },
      not_before: "2026-01-01T00:00:00Z",
      except: ["/d/**"],
      params: { type: "object" },
      when: "params.n < 3",
      approval: { by: "lead", within: "1h" },
      max_duration: "5s",
      max_output_bytes: 10,
      max_effects: 0,
    };
    const parsed = parseConstraints(all, "fs:read");
    expect(parsed).toEqual(all);
    expect(Object.isFrozen(parsed) && Object.isFrozen(parsed.rate)).toBe(true);
    expect(parseConstraints({ allow_private: ["10.0.0.0/8", "fd00::/8"] }, "net:http")).toBeDefined();
    expect(parseConstraints({ unconfined: true }, "os:process")).toBeDefined();
  });

  it("an unknown one is refused, because ignoring it would widen authority", () => {
    refusedFor({ max_use: 3 }, "max_use");
    refusedFor({ rate: { limit: 1, per: "1m", burst: 5 } }, "burst");
    refusedFor({ constructor: 1 }, "constructor");
    refusedFor([], "$");
    refusedFor("max_uses", "$");
    refusedFor({ params: new Date(0) }, "$");
    const getter = Object.defineProperty({}, "max_uses", { enumerable: true, get: () => 3 });
    refusedFor(getter, "$");
  });

  it.each<[string, unknown]>([
    ["max_uses", -1],
    ["max_uses", 1.5],
    ["max_uses", "3"],
    ["max_uses", 2 ** 53],
    ["rate.limit", { limit: 0, per: "1m" }],
    ["rate.limit", { limit: 100_001, per: "1m" }],
    ["rate.per", { limit: 1, per: "minute" }],
    ["rate.per", { limit: 1, per: "0s" }],
    ["rate.per", { limit: 1, per: "0m0ms" }],
    ["not_before", "2026-01-01"],
    ["not_before", "2026-02-30T00:00:00Z"],
    ["when", "params."],
    ["when", "unknown == 1"],
    ["when", "x".repeat(4_097)],
    ["approval.within", {}],
    ["max_duration", "soon"],
    ["max_output_bytes", 0],
    ["max_effects", -1],
    ["except", ["relative"]],
    ["except", Array.from({ length: 65 }, () => "/x")],
  ])("a malformed `%s` is refused: %j", (name, value) => {
    refusedFor({ [name.split(".")[0] as string]: value }, name);
  });

  it("some belong to one domain", () => {
    refusedFor({ allow_private: ["10.0.0.0/8"] }, "allow_private", "fs:read");
    refusedFor({ allow_private: ["10.0.0.0/33"] }, "allow_private.0", "net:http");
    refusedFor({ allow_private: ["localhost"] }, "allow_private.0", "net:http");
    refusedFor({ unconfined: true }, "unconfined", "fs:read");
    refusedFor({ unconfined: false }, "unconfined", "os:process");
  });

  it("what is taken can be bound: an `except` near the largest size does not fail later", () => {
    const world = new World();
    world.issue("net:http");
    for (let length = 940; length <= 1_030; length++) {
      const except = [`x.test/${"p".repeat(length - 7)}`];
      let taken = true;
      try {
        parseConstraints({ except }, "net:http");
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidConstraintError);
        taken = false;
      }
      const bind = () => world.bind("a", "net:http:y.test", { constraints: { except } });
      if (taken) expect(bind().excluded).toHaveLength(1);
      else refused(bind, InvalidConstraintError, "invalid_constraint");
    }
  });
});

describe("except (K): disjoint, not merely unequal", () => {
  it.each([
    ["/d/secret", "fs:read:/d/secret", "constraint_violated"],
    ["/d/secret", "fs:read:/d/*", "constraint_violated"],
    ["/d/secret", "fs:read:/d/**", "constraint_violated"],
    ["/d/**", "fs:read:/d", "constraint_violated"],
    ["/d/secret", "fs:read:/d/secret2", "bind"],
    ["/d/secret", "fs:read:/d/other/**", "bind"],
    ["**", "fs:read:/z", "constraint_violated"],
  ])("except %s, asked %s: %s", (pattern, asked, answer) => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { constraints: { except: [pattern] } });
    expect(world.answer(asked)).toContain(answer);
  });

  it("in `net` an exception that names only a host shuts out every method, scheme and port", () => {
    const world = new World();
    world.issue("net:http:POST http://**:8080");
    world.bind("a", "net:http:POST http://**:8080", { constraints: { except: ["intranet.test"] } });
    expect(world.answer("net:http:POST http://intranet.test:8080/x")).toBe("constraint_violated");
    expect(world.answer("net:http:POST http://public.test:8080/x")).toMatch(/^bind-/);
  });
});

describe("what confines a program (H6)", () => {
  it.each<[boolean, unknown]>([
    [true, { unconfined: true }],
    [true, { params: false }],
    [true, { params: { const: { args: [] } } }],
    [true, { params: { enum: [{ args: [] }] } }],
    [true, { params: { properties: { args: { maxItems: 2 } } } }],
    [true, { params: { properties: { args: false } } }],
    [true, { params: { allOf: [{}, { properties: { args: { maxItems: 2 } } }] } }],
    [true, { params: { anyOf: [{ const: 1 }, { properties: { args: { maxItems: 2 } } }] } }],
    [false, {}],
    [false, { params: true }],
    [false, { params: {} }],
    [false, { params: { properties: { cwd: { const: "/x" } } } }],
    [false, { params: { properties: { args: {} } } }],
    [false, { params: { anyOf: [{}, { properties: { args: { maxItems: 2 } } }] } }],
    [false, { params: { anyOf: [] } }],
    [false, { params: { not: { properties: { args: { maxItems: 2 } } } } }],
  ])("%j: %j", (confines, constraints) => {
    expect(confinesProcess(constraints as never)).toBe(confines);
  });
});

describe("allow_private along a chain (K)", () => {
  it("is what every link that names blocks has in common", () => {
    expect(commonBlocks([])).toEqual([]);
    expect(commonBlocks([undefined, undefined])).toEqual([]);
    expect(commonBlocks([undefined, ["10.0.0.0/8"]])).toEqual(["10.0.0.0/8"]);
    expect(commonBlocks([["10.0.0.0/8"], ["10.1.0.0/16", "192.168.0.0/16"]])).toEqual(["10.1.0.0/16"]);
    expect(commonBlocks([["10.1.0.0/16"], ["10.0.0.0/8"], ["10.1.2.0/24", "fd00::/8"]])).toEqual([
      "10.1.2.0/24",
    ]);
    expect(commonBlocks([["10.0.0.0/8"], ["11.0.0.0/8"]])).toEqual([]);
    expect(commonBlocks([["::/0"], ["10.0.0.0/8"]])).toEqual([]);
    expect(commonBlocks([["10.0.0.0/8"], []])).toEqual([]);
  });
});
