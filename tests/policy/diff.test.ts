/** What counts as narrower and as wider between two policies. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  comparePolicies,
  objectsOfPolicy,
  objectsOfStore,
  type PolicyDifference,
} from "../../src/policy/diff.js";
import { whatIf } from "../../src/policy/what-if.js";
import { asked } from "../model/fixtures/random-world.js";
import { minuteMs, startMs } from "../model/fixtures/world.js";
import { History, policyOf } from "./fixtures/history.js";

const compare = (old: object, wanted: object, now = startMs): readonly PolicyDifference[] =>
  comparePolicies(objectsOfPolicy(policyOf(old)), objectsOfPolicy(policyOf(wanted)), now);

const granting = (grant: object) => ({ agents: { a: [{ capability: "fs:read:/d/**", ...grant }] } });
const bounded = (constraints: object) => granting({ constraints });

/** The change of one grant, in a word; `same` when there is none. */
const changeOf = (old: object, wanted: object): string => compare(old, wanted)[0]?.change ?? "same";

describe("one aspect at a time", () => {
  const narrower: [string, object, object][] = [
    ["a narrower path", granting({}), granting({ capability: "fs:read:/d/x/**" })],
    ["a scope", granting({}), granting({ scope: "/d/x/**" })],
    ["one action of all", granting({ capability: "fs:*:/d/**" }), granting({})],
    ["an end", granting({}), granting({ expires: "1h" })],
    ["an earlier end", granting({ expires: "2h" }), granting({ expires: "90m" })],
    [
      "a date before",
      granting({ expires: "2027-01-01T00:00:00Z" }),
      granting({ expires: "2026-06-01T00:00:00Z" }),
    ],
    ["not to be passed on", granting({ delegable: true }), granting({})],
    ["a number of uses", bounded({}), bounded({ max_uses: 5 })],
    ["fewer uses", bounded({ max_uses: 5 }), bounded({ max_uses: 4 })],
    ["a lower rate", bounded({ rate: { limit: 5, per: "1m" } }), bounded({ rate: { limit: 5, per: "2m" } })],
    [
      "a later beginning",
      bounded({ not_before: "2026-01-01T00:00:00Z" }),
      bounded({ not_before: "2026-01-02T00:00:00Z" }),
    ],
    ["a wider exception", bounded({ except: ["/d/x/1"] }), bounded({ except: ["/d/x/**"] })],
    ["a schema", bounded({}), bounded({ params: { type: "object" } })],
    ["a condition", bounded({}), bounded({ when: "params.n < 3" })],
    ["an approval", bounded({}), bounded({ approval: { within: "1h" } })],
    ["less time", bounded({ max_duration: "10s" }), bounded({ max_duration: "5s" })],
    ["fewer bytes", bounded({ max_output_bytes: 10 }), bounded({ max_output_bytes: 9 })],
    ["fewer effects", bounded({}), bounded({ max_effects: 1 })],
  ];
  it.each(narrower)("%s narrows, and the other way round it widens", (_, wide, narrow) => {
    expect(changeOf(wide, narrow)).toBe("narrowed");
    expect(changeOf(narrow, wide)).toBe("widened");
    expect(compare(narrow, wide)[0]?.widens).toBe(true);
    expect(compare(wide, narrow)[0]?.widens).toBe(false);
    expect(changeOf(wide, wide)).toBe("same");
  });

  it.each([
    [
      "another schema",
      bounded({ params: { type: "object" } }),
      bounded({ params: { type: "object", required: ["n"] } }),
    ],
    ["another condition", bounded({ when: "params.n < 3" }), bounded({ when: "params.n < 2" })],
    [
      "fewer in less time",
      bounded({ rate: { limit: 5, per: "2m" } }),
      bounded({ rate: { limit: 4, per: "1m" } }),
    ],
    ["exceptions elsewhere", bounded({ except: ["/d/x"] }), bounded({ except: ["/d/y"] })],
    [
      "one thing less and another one more",
      bounded({ max_uses: 5 }),
      bounded({ max_uses: 4, max_duration: undefined, rate: undefined, max_effects: undefined }),
      "narrowed",
    ],
    [
      "tighter here, looser there",
      bounded({ max_uses: 5, max_effects: 5 }),
      bounded({ max_uses: 4, max_effects: 6 }),
    ],
  ])("%s", (_, old, wanted, change = "changed") => {
    expect(changeOf(old, wanted)).toBe(change);
    expect(compare(old, wanted)[0]?.widens).toBe(change !== "narrowed");
  });

  it("a private address is more, and so is what a program may do without bounds", () => {
    const net = (constraints: object) => ({
      agents: { a: [{ capability: "net:http:a.example", constraints }] },
    });
    expect(changeOf(net({}), net({ allow_private: ["10.0.0.0/8"] }))).toBe("widened");
    expect(changeOf(net({ allow_private: ["10.0.0.0/8"] }), net({ allow_private: ["10.1.0.0/16"] }))).toBe(
      "narrowed",
    );
    // What a link above names counts as soon as this one names none.
    expect(changeOf(net({ allow_private: ["10.0.0.0/8"] }), net({}))).toBe("changed");
    const git = (constraints: object) => ({ agents: { a: [{ capability: "os:process:git", constraints }] } });
    expect(
      changeOf(git({ params: { properties: { args: { const: [] } } } }), git({ unconfined: true })),
    ).toBe("widened");
  });

  it("whom a contract is for, by containment of patterns", () => {
    const to = (issued_to: string) => ({ contracts: { c: { capability: "crm:update", issued_to } } });
    expect(changeOf(to("*"), to("a*"))).toBe("narrowed");
    expect(changeOf(to("a*"), to("ab*"))).toBe("narrowed");
    expect(changeOf(to("a"), to("a*"))).toBe("widened");
    expect(changeOf(to("a*"), to("*a"))).toBe("changed");
  });

  it("another contract below the same words may be another authority", () => {
    const contracts = { c: { capability: "fs:read" }, d: { capability: "fs:read" } };
    const old = { contracts, ...granting({ contract: "c" }) };
    expect(compare(old, { contracts, ...granting({ contract: "d" }) }).map(({ change }) => change)).toEqual([
      "changed",
    ]);
  });
});

describe("which goes with which", () => {
  it("a grant of another path that contains it is the same one made wider; any other is another one", () => {
    const old = { agents: { a: ["fs:read:/d/x/**", "crm:update"] } };
    const wanted = { agents: { a: ["fs:read:/d/**", "crm:delete"] } };
    expect(compare(old, wanted).map(({ change, capability }) => `${change} ${capability}`)).toEqual([
      "widened fs:read:/d/**",
      "added crm:delete",
      "removed crm:update",
    ]);
  });

  it("of two alike each has its own partner; agents are not mixed up", () => {
    const two = (n: number, m: number) => ({
      agents: {
        a: [n, m].map((max_uses) => ({ capability: "crm:update", constraints: { max_uses } })),
        b: ["crm:update"],
      },
    });
    expect(compare(two(1, 2), two(2, 1))).toEqual([]);
    expect(compare(two(1, 2), { agents: { b: ["crm:update"] } }).map(({ change }) => change)).toEqual([
      "removed",
      "removed",
    ]);
  });

  it("against a store: only objects of the policy's name, and a duration counts from when it was made", () => {
    const own = { contracts: { c: { capability: "fs:*" } }, ...granting({ expires: "1h" }) };
    const history = new History();
    history.apply(policyOf(own));
    history.apply(policyOf({ contracts: { c: { capability: "crm:update" } } }, "other"));
    const later = startMs + 30 * minuteMs;
    const stored = objectsOfStore(history.world.state, "team");
    expect(comparePolicies(stored, objectsOfPolicy(policyOf(own)), later)).toEqual([]);
    const longer = { ...own, ...granting({ expires: "2h" }) };
    expect(comparePolicies(stored, objectsOfPolicy(policyOf(longer)), later)[0]?.change).toBe("widened");
    const renewed = { ...own, ...granting({ expires: "31m" }) };
    // Shorter in words, later in time: it would be made anew.
    expect(comparePolicies(stored, objectsOfPolicy(policyOf(renewed)), later)[0]?.change).toBe("widened");
  });
});

it("law: what is not marked as widening allows nothing that was denied", async () => {
  const constraints = fc.record(
    {
      max_uses: fc.integer({ min: 0, max: 3 }),
      except: fc.subarray(["/d/x/1", "/d/x/**", "/d/y", "/e"]),
      when: fc.constantFrom("params.n < 3", "params.n < 5"),
      params: fc.constantFrom({ type: "object" }, { type: "object", required: ["n"] }),
      not_before: fc.constantFrom("2025-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    },
    { requiredKeys: [] },
  );
  const grants = fc.uniqueArray(
    fc.record({
      capability: fc.constantFrom(
        "fs:read:/d/**",
        "fs:read:/d/x/*",
        "fs:*:/d/**",
        "fs:read:/d/x/1",
        "fs:write:/d/**",
      ),
      scope: fc.option(fc.constantFrom("/d/**", "/d/x/**", "/d/y"), { nil: undefined }),
      constraints,
      expires: fc.constantFrom(undefined, "1m", "2030-01-01T00:00:00Z"),
    }),
    {
      minLength: 1,
      maxLength: 3,
      selector: (each) => JSON.stringify([each.capability, each.scope, each.constraints]),
    },
  );
  /** Changes of which many narrow. */
  const changed = fc.array(
    fc.record({
      drop: fc.boolean(),
      capability: fc.option(fc.constantFrom("fs:read:/d/x/*", "fs:read:/d/x/1"), { nil: undefined }),
      scope: fc.option(fc.constantFrom("/d/x/**", "/d/y"), { nil: undefined }),
      more: constraints,
    }),
    { maxLength: 3 },
  );
  let narrowed = 0;
  await fc.assert(
    fc.asyncProperty(
      grants,
      changed,
      fc.array(asked, { minLength: 1, maxLength: 8 }),
      async (old, how, steps) => {
        const wanted = old.flatMap((each, index) => {
          const { drop, capability, scope, more } = how[index] ?? {
            drop: false,
            capability: undefined,
            scope: undefined,
            more: {},
          };
          if (drop) return [];
          return [
            {
              ...each,
              capability: capability ?? each.capability,
              scope: scope ?? each.scope,
              constraints: { ...each.constraints, ...more },
            },
          ];
        });
        const key = (each: (typeof wanted)[0]) =>
          JSON.stringify([each.capability, each.scope, each.constraints]);
        fc.pre(new Set(wanted.map(key)).size === wanted.length);
        const [before, after] = [old, wanted].map((a) =>
          policyOf({ contracts: { c: { capability: "fs:*" } }, agents: { a } }),
        );
        if (before === undefined || after === undefined) return;
        const differences = comparePolicies(objectsOfPolicy(before), objectsOfPolicy(after), startMs);
        fc.pre(differences.every(({ widens }) => !widens));
        narrowed++;
        // Counters add up over grants; one request at a time leaves them out of it.
        for (const step of steps) {
          const history = new History();
          history.apply(before);
          history.step(step);
          expect((await whatIf(history.log, after)).newly_allowed).toBe(0);
        }
      },
    ),
    { numRuns: 100, maxSkipsPerRun: 200 },
  );
  expect(narrowed).toBeGreaterThanOrEqual(100);
});
