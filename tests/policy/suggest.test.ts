/** What a suggested policy promises: it carries what was done, it is no wider than what allowed it, it stands alone. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { covers, parseCapability } from "../../src/model/capability/index.js";
import { SynapseError } from "../../src/model/errors.js";
import { generalise, severalMin } from "../../src/policy/generalise.js";
import { type Suggestion, suggestPolicy } from "../../src/policy/suggest.js";
import { asked, type Asked, type Deed, deeds } from "../model/fixtures/random-world.js";
import { History, policyOf } from "./fixtures/history.js";

type Turn = Extract<Deed, { do: "step" | "wait" }>;

const histories = fc
  .tuple(deeds, fc.array(fc.tuple(fc.nat(30), asked), { minLength: 3, maxLength: 12 }))
  .map(([all, steps]) => {
    const turns: Deed[] = [...all];
    for (const [at, each] of steps) turns.splice(at, 0, { do: "step", asked: each });
    return turns;
  });

/** Gives the history, and the steps that were allowed in it with the waits between them. */
function played(turns: readonly Deed[]): { history: History; done: Turn[]; allowed: number } {
  const history = new History();
  const done: Turn[] = [];
  let allowed = 0;
  for (const turn of turns) {
    if (turn.do === "step") {
      if (!history.step(turn.asked)) continue;
      allowed++;
      done.push(turn);
    } else {
      if (turn.do === "wait") done.push(turn);
      history.do(turn);
    }
  }
  return { history, done, allowed };
}

const suggest = (history: History, wildcardsMax = 2): Promise<Suggestion> =>
  suggestPolicy(history.log, { name: "suggested", wildcardsMax, now: history.world.at });

describe("on generated histories", () => {
  it("applied to an empty store it carries all that was allowed, and no more is bound than was", async () => {
    let [carried, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(histories, fc.integer({ min: 0, max: 3 }), async (turns, wildcardsMax) => {
        const { history, done, allowed } = played(turns);
        fc.pre(allowed > 0);
        let suggestion: Suggestion;
        try {
          suggestion = await suggest(history, wildcardsMax);
        } catch (error) {
          // Where counters of several bindings got in each other's way it refuses, and prints nothing that does not hold.
          if (!(error instanceof SynapseError && error.code === "suggestion_failed")) throw error;
          expect(
            [...history.world.state.links()].some(
              ({ constraints }) => constraints.rate ?? constraints.max_uses,
            ),
          ).toBe(true);
          refused++;
          return;
        }
        expect(suggestion.check).toMatchObject({ newly_denied: 0, unavailable: 0 });

        const fresh = new History();
        fresh.apply(suggestion.policy);
        for (const turn of done) {
          if (turn.do === "wait") fresh.do(turn);
          else expect(fresh.step(turn.asked), JSON.stringify(turn.asked)).toBe(true);
        }
        carried += allowed;

        const originals = [...history.world.state.links()].filter((link) => link.kind === "binding");
        for (const { agent, capability, generalisedFrom } of suggestion.grants) {
          const isCovered = originals.some(
            (binding) => binding.agentId === agent && binding.gates.every((gate) => covers(gate, capability)),
          );
          expect(isCovered, `${agent} ${capability}`).toBe(true);
          if (generalisedFrom.length > 0) expect(generalisedFrom.length).toBeGreaterThanOrEqual(severalMin);
          for (const each of generalisedFrom) expect(covers(capability, each)).toBe(true);
        }
        // Its contracts are no wider than its bindings.
        const { contracts, grants } = suggestion.policy;
        expect(contracts.map((each) => [each.name, each.issuedTo, each.capability])).toEqual(
          expect.arrayContaining(grants.map((each) => [each.contract, each.agent, each.capability])),
        );
        expect(contracts).toHaveLength(grants.length);
      }),
      { numRuns: 250 },
    );
    expect(carried).toBeGreaterThan(100);
    expect(refused).toBeLessThan(5);
  });
});

function historyOf(policy: object, steps: readonly Asked[], runId: string | null = "run_1"): History {
  const history = new History();
  history.apply(policyOf(policy));
  for (const each of steps) expect(history.step(each, runId)).toBe(true);
  return history;
}

const reads = (agent: string, ...paths: readonly string[]): Asked[] =>
  paths.map((path) => ({ agent, requirements: [`fs:read:${path}`], params: { path } }));
const files = { contracts: { files: { capability: "fs:*:/data/**" } } };

describe("generalising", () => {
  const lines = async (policy: object, steps: readonly Asked[], wildcards = 2): Promise<string[]> =>
    (await suggest(historyOf(policy, steps), wildcards)).grants.map((grant) => grant.capability);

  it("two files are two lines, three beside each other are one with a remark", async () => {
    const policy = { ...files, agents: { a: ["fs:read:/data/**"] } };
    expect(await lines(policy, reads("a", "/data/x/1", "/data/x/2"))).toEqual([
      "fs:read:/data/x/1",
      "fs:read:/data/x/2",
    ]);
    const three = await suggest(historyOf(policy, reads("a", "/data/x/1", "/data/x/2", "/data/x/3")));
    expect(three.grants.map((grant) => grant.capability)).toEqual(["fs:read:/data/x/*"]);
    expect(three.text).toContain(
      "    # generalised from 3 that were used: fs:read:/data/x/1, fs:read:/data/x/2, fs:read:/data/x/3\n" +
        '    - capability: "fs:read:/data/x/*"\n',
    );
  });

  it("never beyond what the contract and the binding allowed", async () => {
    const narrow = {
      ...files,
      agents: { a: ["fs:read:/data/x/1", "fs:read:/data/x/2", "fs:read:/data/x/3"] },
    };
    const three = reads("a", "/data/x/1", "/data/x/2", "/data/x/3");
    expect(await lines(narrow, three)).toHaveLength(3);
    const scoped = {
      ...files,
      agents: { a: [{ capability: "fs:read:/data/**", scope: "/data/x/**" }] },
    };
    expect(await lines(scoped, three)).toEqual(["fs:read:/data/x/*"]);
  });

  it("no more wildcards than were asked for, none with 0", async () => {
    const policy = { ...files, agents: { a: ["fs:read:/data/**"] } };
    const nine = ["x", "y", "z"].flatMap((folder) =>
      ["1", "2", "3"].map((name) => `/data/${folder}/${name}`),
    );
    expect(await lines(policy, reads("a", ...nine), 2)).toEqual(["fs:read:/data/*/*"]);
    expect(await lines(policy, reads("a", ...nine), 1)).toEqual([
      "fs:read:/data/x/*",
      "fs:read:/data/y/*",
      "fs:read:/data/z/*",
    ]);
    expect(await lines(policy, reads("a", ...nine), 0)).toHaveLength(9);
  });

  it("not over agents, nor over actions", async () => {
    const policy = { ...files, agents: { a: ["fs:read:/data/**"], b: ["fs:read:/data/**"] } };
    const steps = [...reads("a", "/data/x/1", "/data/x/2"), ...reads("b", "/data/x/3", "/data/x/4")];
    expect(await lines(policy, steps)).toHaveLength(4);
  });

  const uses = (...texts: readonly string[]) =>
    texts.map((text) => ({ capability: parseCapability(text), count: 1, from: [] }));
  const general = (...texts: readonly string[]) =>
    generalise(uses(...texts), () => true, 4).map((use) => use.capability.text);

  it.each([
    ["a star in a name is that name", ["fs:read:/d/a\\*", "fs:read:/d/b", "fs:read:/d/c"], ["fs:read:/d/*"]],
    ["folders, too", ["fs:read:/d/a/f", "fs:read:/d/b/f", "fs:read:/d/c/f"], ["fs:read:/d/*/f"]],
    [
      "paths of one host",
      ["net:http:GET a.io/v/1", "net:http:GET a.io/v/2", "net:http:GET a.io/v/3"],
      ["net:http:GET a.io/v/*"],
    ],
    [
      "hosts of one domain",
      ["net:http:GET a.x.io/v", "net:http:GET b.x.io/v", "net:http:GET c.x.io/v"],
      ["net:http:GET *.x.io/v"],
    ],
    ["keys", ["memory:read:n/1", "memory:read:n/2", "memory:read:n/3"], ["memory:read:n/*"]],
  ])("%s", (_, used, expected) => expect(general(...used)).toEqual(expected));

  it.each([
    ["the first folder of all", ["fs:read:/a/f", "fs:read:/b/f", "fs:read:/c/f"]],
    ["all of a top-level domain", ["net:http:GET a.io/v", "net:http:GET b.io/v", "net:http:GET c.io/v"]],
    ["addresses", ["net:http:GET 10.0.0.1/v", "net:http:GET 10.0.0.2/v", "net:http:GET 10.0.0.3/v"]],
    ["methods", ["net:http:GET a.io/v", "net:http:POST a.io/v", "net:http:PUT a.io/v"]],
    ["programs", ["os:process:/usr/bin/a", "os:process:/usr/bin/b", "os:process:/usr/bin/c"]],
    ["tools", ["mcp:call:s/a", "mcp:call:s/b", "mcp:call:s/c"]],
    ["scripts", ["code:execute:a/1", "code:execute:a/2", "code:execute:a/3"]],
  ])("never over %s", (_, used) => expect(general(...used)).toHaveLength(3));
});

describe("what is carried along", () => {
  it("constraints of contract and bindings; exceptions only where they matter; counters for what was used", async () => {
    const policy = {
      contracts: {
        files: {
          capability: "fs:*:/data/**",
          constraints: { max_uses: 50, except: ["/data/secret/**", "/data/x/hidden*"] },
        },
      },
      agents: {
        a: [
          {
            capability: "fs:read:/data/**",
            constraints: { when: 'agent == "a"', rate: { limit: 9, per: "1m" } },
          },
        ],
      },
    };
    const { policy: suggested, text } = await suggest(
      historyOf(policy, reads("a", "/data/x/1", "/data/x/2", "/data/x/3")),
    );
    expect(suggested.contracts[0]?.constraints).toEqual({ max_uses: 3, except: ["/data/x/hidden*"] });
    expect(suggested.grants[0]?.constraints).toEqual({ when: 'agent == "a"', rate: { limit: 3, per: "1m" } });
    expect(text).toContain("# counted on its own, and for no more than it was used (3 times)");
  });

  it("what a program may get, and `unconfined` only where it was", async () => {
    const params = { type: "object", required: ["args"], properties: { args: { const: ["status"] } } };
    const policy = {
      contracts: { git: { capability: "os:process" } },
      agents: { a: [{ capability: "os:process:git", constraints: { params } }] },
    };
    const step = { agent: "a", requirements: ["os:process:git"], params: { args: ["status"] } };
    const { policy: suggested } = await suggest(historyOf(policy, [step]));
    expect(suggested.grants[0]?.constraints).toEqual({ params });
  });

  it("a delegation becomes a grant of its own, with the constraints of the whole chain", async () => {
    const history = new History();
    history.apply(
      policyOf({
        contracts: { files: { capability: "fs:*:/data/**", delegable: true } },
        agents: {
          a: [{ capability: "fs:read:/data/**", delegable: true, constraints: { when: "params.n < 9" } }],
        },
      }),
    );
    const { world } = history;
    const parent = world.state.bindingsOf("a")[0];
    world.bind("b", "fs:read:/data/x/**", { parentId: parent?.id, constraints: { when: "params.n > 1" } });
    expect(history.step({ agent: "b", requirements: ["fs:read:/data/x/1"], params: { n: 5 } })).toBe(true);
    const { policy } = await suggest(history);
    expect(policy.grants.map((grant) => [grant.agent, grant.capability, grant.constraints])).toEqual([
      ["b", "fs:read:/data/x/1", { when: "(params.n > 1) && (params.n < 9)" }],
    ]);
  });

  it("an end that is to come; one that has passed is left out, and said so", async () => {
    const ending = (expires: string) => ({
      ...files,
      agents: { a: [{ capability: "fs:read:/data/**", expires }] },
    });
    const later = await suggest(historyOf(ending("2027-01-01T00:00:00Z"), reads("a", "/data/1")));
    expect(later.policy.grants[0]?.expires).toBe("2027-01-01T00:00:00.000Z");
    const history = historyOf(ending("1h"), reads("a", "/data/1"));
    history.world.at += 3_600_000;
    const ended = await suggest(history);
    expect(ended.policy.grants[0]?.expires).toBeUndefined();
    expect(ended.text).toContain("# what it rested on ended 2026-01-01T01:00:00.000Z; give this an end, too");
  });
});

describe("of a part of what was done", () => {
  const policy = { ...files, agents: { a: ["fs:read:/data/**"], b: ["fs:read:/data/**"] } };

  it("of one agent, of one run", async () => {
    const history = historyOf(policy, [...reads("a", "/data/1"), ...reads("b", "/data/2")], "run_1");
    expect(history.step(reads("a", "/data/3")[0] as Asked, "run_2")).toBe(true);
    const options = { name: "s", wildcardsMax: 2, now: history.world.at };
    const ofAgent = await suggestPolicy(history.log, { ...options, agentId: "b" });
    expect(ofAgent.grants.map(({ agent, capability }) => [agent, capability])).toEqual([
      ["b", "fs:read:/data/2"],
    ]);
    const ofRun = await suggestPolicy(history.log, { ...options, runId: "run_2" });
    expect(ofRun.grants.map(({ agent, capability }) => [agent, capability])).toEqual([
      ["a", "fs:read:/data/3"],
    ]);
  });

  it("what others used up of a counter is not charged to it", async () => {
    const counted = {
      ...files,
      agents: { a: [{ capability: "fs:read:/data/**", constraints: { max_uses: 4 } }] },
    };
    const history = historyOf(counted, reads("a", "/data/1", "/data/1"), "run_1");
    expect(history.step(reads("a", "/data/1")[0] as Asked, "run_2")).toBe(true);
    const { policy: suggested, check } = await suggestPolicy(history.log, {
      name: "s",
      wildcardsMax: 2,
      now: history.world.at,
      runId: "run_2",
    });
    expect(suggested.grants[0]?.constraints).toEqual({ max_uses: 1 });
    expect(check).toMatchObject({ requests: 1, unchanged: 1 });
  });

  it("of nothing is refused", async () => {
    const history = new History();
    history.apply(policyOf(policy));
    const refused = await suggest(history).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(SynapseError);
    expect(refused).toMatchObject({ code: "nothing_observed" });
  });

  it("says when erased parameters keep it from being checked", async () => {
    const when = {
      ...files,
      agents: { a: [{ capability: "fs:read:/data/**", constraints: { when: "params.path != ''" } }] },
    };
    const history = historyOf(when, reads("a", "/data/1"));
    history.erase();
    expect((await suggest(history)).check).toMatchObject({ requests: 1, unavailable: 1, newly_denied: 0 });
  });
});

it("text of agents cannot leave its comment or its string", async () => {
  const history = new History();
  const odd = ["a\u2028b", "c: d # e", '"f"', "\u0085g", "\u202eh"];
  history.apply(policyOf({ ...files, agents: { a: ["fs:read:/data/**"] } }));
  const paths = odd.map((each) => `/data/x/${each}`);
  let allowed = 0;
  for (const path of paths) {
    try {
      if (history.step(reads("a", path)[0] as Asked)) allowed++;
    } catch (error) {
      // Some are no capability at all (C4), and never come into a log as one.
      if (!(error instanceof SynapseError)) throw error;
    }
  }
  expect(allowed).toBeGreaterThanOrEqual(3);
  const { text, policy } = await suggest(history);
  // eslint's own class for control characters is what is meant here.
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  expect(policy.grants.map((grant) => grant.capability)).toEqual(["fs:read:/data/x/*"]);
});
