/** What counts as history under a candidate (docs/policy.md, What would have happened), case by case. */
import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/model/errors.js";
import { whatIf, type WhatIfOptions } from "../../src/policy/what-if.js";
import type { Asked } from "../model/fixtures/random-world.js";
import { minuteMs, startMs } from "../model/fixtures/world.js";
import { History, policyOf } from "./fixtures/history.js";

const read = (agent: string, path: string, params = {}): Asked => ({
  agent,
  requirements: [`fs:read:${path}`],
  params,
});
const contracts = { files: { capability: "fs:*:/d/**", delegable: true } };
const policy = (...grants: readonly (string | object)[]) => policyOf({ contracts, agents: { a: grants } });

async function changes(
  history: History,
  candidate: Parameters<typeof whatIf>[1],
  options?: WhatIfOptions,
): Promise<string[]> {
  const report = await whatIf(history.log, candidate, options);
  return report.groups.map(({ change, agent, shape, reason, count }) =>
    [change, agent, shape, reason ?? "-", count].join(" "),
  );
}

describe("the policy of its name", () => {
  it("is replaced wherever it was applied, older versions of it included", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/x/**"));
    history.step(read("a", "/d/x/1"));
    history.apply(policy("fs:read:/d/y/**"));
    history.step(read("a", "/d/x/1"));
    history.step(read("a", "/d/y/1"));
    expect(await changes(history, policy("fs:read:/d/y/**"))).toEqual([
      "newly_denied a fs:read:/d/x/* no_binding_found 1",
    ]);
    expect(await changes(history, policy("fs:read:/d/x/**"))).toEqual([
      "newly_allowed a fs:read:/d/x/* binding_revoked 1",
      "newly_denied a fs:read:/d/y/* no_binding_found 1",
    ]);
  });

  it("before its first application the candidate stands as just applied, its durations included", async () => {
    const history = new History();
    history.step(read("a", "/d/x"));
    history.world.at += 60 * minuteMs;
    history.step(read("a", "/d/x"));
    expect(await changes(history, policy({ capability: "fs:read:/d/**", expires: "1m" }))).toEqual([
      "newly_allowed a fs:read:/d/* no_capability 2",
    ]);
    const dated = policy({
      capability: "fs:read:/d/**",
      expires: new Date(startMs + minuteMs).toISOString(),
    });
    expect(await changes(history, dated)).toEqual(["newly_allowed a fs:read:/d/* no_capability 1"]);
  });

  it("from its first application on a duration counts from there", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/**"));
    history.step(read("a", "/d/x"));
    history.world.at += 2 * minuteMs;
    history.step(read("a", "/d/x"));
    expect(await changes(history, policy({ capability: "fs:read:/d/**", expires: "1m" }))).toEqual([
      "newly_denied a fs:read:/d/* binding_expired 1",
    ]);
  });

  it("what was unbound by hand stays unbound, its equal and no other; the next application brings it back", async () => {
    const history = new History();
    const [strict, open] = [
      { capability: "fs:read:/d/**", constraints: { when: "params.n > 1" } },
      "fs:read:/d/**",
    ];
    history.apply(policy(strict, open));
    const bindings = history.world.state.bindingsOf("a");
    const second = bindings.find((binding) => binding.constraints.when === undefined);
    if (second !== undefined) history.world.revoke(second);
    history.step(read("a", "/d/x", { n: 0 }));
    history.step(read("a", "/d/x", { n: 2 }));
    history.apply(policy(strict, open));
    history.step(read("a", "/d/x", { n: 0 }));
    expect(await changes(history, policy(strict, open))).toEqual([]);
    expect(await changes(history, policy(strict))).toEqual([
      "newly_denied a fs:read:/d/* constraint_violated 1",
    ]);
  });
});

describe("objects of the log and of the candidate", () => {
  it("an equal one goes before one that only has the same capability", async () => {
    const history = new History();
    const [strict, open] = [
      { capability: "fs:read:/d/**", constraints: { when: "params.n > 1" } },
      "fs:read:/d/**",
    ];
    history.apply(policy(open));
    const [binding] = history.world.state.bindingsOf("a");
    if (binding !== undefined) history.world.revoke(binding);
    history.step(read("a", "/d/x", { n: 0 }));
    history.step(read("a", "/d/x", { n: 2 }));
    expect(await changes(history, policy(strict, open))).toEqual([
      "newly_allowed a fs:read:/d/* binding_revoked 1",
    ]);
  });

  it("what another version took away is not taken from the candidate, and its counter goes on", async () => {
    const history = new History();
    const counted = policy({ capability: "fs:read:/d/**", constraints: { max_uses: 1 } });
    history.apply(counted);
    history.step(read("a", "/d/x"));
    history.apply(policyOf({ contracts }));
    history.step(read("a", "/d/x"));
    expect(await changes(history, counted)).toEqual([]);
  });
});

describe("all other authority", () => {
  it("stays as it was recorded, at each moment", async () => {
    const history = new History();
    const { world } = history;
    history.apply(policy("fs:read:/d/**"));
    const contract = world.issue("fs:read:/d/**");
    const binding = world.bind("a", "fs:read:/d/**", { contractId: contract.id });
    history.step(read("a", "/d/x"));
    world.revoke(binding);
    history.step(read("a", "/d/x"));
    world.suspend("a");
    history.step(read("a", "/d/x"));
    expect(await changes(history, policyOf({ contracts }))).toEqual([
      "newly_denied a fs:read:/d/* binding_revoked 1",
    ]);
  });

  it("what was delegated from a binding of the policy hangs on the candidate's, and goes where that does not allow it", async () => {
    const history = new History();
    const { world } = history;
    const shared = (capability: string) => policy({ capability, delegable: true });
    history.apply(shared("fs:read:/d/**"));
    world.bind("b", "fs:read:/d/x/**", { parentId: world.state.bindingsOf("a")[0]?.id });
    history.step(read("b", "/d/x/1"));
    expect(await changes(history, shared("fs:read:/d/**"))).toEqual([]);
    const gone = ["newly_denied b fs:read:/d/x/* no_binding_found 1"];
    expect(await changes(history, policy("fs:read:/d/**"))).toEqual(gone);
    expect(await changes(history, shared("fs:read:/d/y/**"))).toEqual(gone);
    expect(await changes(history, policyOf({ contracts }))).toEqual(gone);
  });

  it("a grant that rests on a contract issued by hand begins with it", async () => {
    const history = new History();
    history.step(read("a", "/d/x"));
    history.world.issue("fs:read:/d/**");
    history.step(read("a", "/d/x"));
    const candidate = policyOf({ agents: { a: ["fs:read:/d/**"] } }, "later");
    expect(await changes(history, candidate)).toEqual(["newly_allowed a fs:read:/d/* no_binding_found 1"]);
  });

  it("policies of other names are other policies", async () => {
    const history = new History();
    history.apply(policyOf({ contracts, agents: { a: ["fs:read:/d/**"] } }, "other"));
    history.step(read("a", "/d/x"));
    expect(await changes(history, policyOf({}))).toEqual([]);
    expect(await changes(history, policyOf({}, "other"))).toEqual([
      "newly_denied a fs:read:/d/* no_capability 1",
    ]);
  });
});

describe("counters and parameters", () => {
  const counted = (max_uses: number) => policy({ capability: "fs:read:/d/**", constraints: { max_uses } });

  it("count what the candidate allows, checks excepted", async () => {
    const history = new History();
    history.apply(counted(2));
    for (let n = 0; n < 4; n++) history.step(read("a", "/d/x"));
    expect(await changes(history, counted(3))).toEqual(["newly_allowed a fs:read:/d/* uses_exhausted 1"]);
    expect(await changes(history, counted(1))).toEqual(["newly_denied a fs:read:/d/* uses_exhausted 1"]);
  });

  it("a part that is asked about leaves the rest charged", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/**"));
    history.step(read("a", "/d/x"), "run_1");
    history.world.at += minuteMs;
    history.step(read("a", "/d/x"), "run_2");
    const denied = ["newly_denied a fs:read:/d/* uses_exhausted 1"];
    expect(await changes(history, counted(1), { runId: "run_2" })).toEqual(denied);
    expect(await changes(history, counted(1), { since: startMs + 1 })).toEqual(denied);
    expect(await changes(history, counted(1), { runId: "run_1" })).toEqual([]);
    expect(await changes(history, counted(1), { agentId: "b" })).toEqual([]);
  });

  it("erased parameters: unavailable where the answer depends on them, and charged as recorded", async () => {
    const history = new History();
    const both = (max_uses: number) =>
      policy(
        { capability: "fs:read:/d/**", constraints: { max_uses, when: "params.n == 1" } },
        "fs:read:/d/free",
      );
    history.apply(both(2));
    history.step(read("a", "/d/x", { n: 1 }));
    history.step(read("a", "/d/free", { n: 7 }));
    history.erase();
    history.step(read("a", "/d/x", { n: 1 }));
    history.step(read("a", "/d/x", { n: 1 }));
    // The first is unknown, and used one up; the second is allowed whatever its parameters are.
    expect(await changes(history, both(2))).toEqual(["unavailable a fs:read:/d/* - 1"]);
    expect(await changes(history, both(1))).toEqual([
      "unavailable a fs:read:/d/* - 1",
      "newly_denied a fs:read:/d/* uses_exhausted 1",
    ]);
    expect(await changes(history, policy("fs:read:/d/**"))).toEqual([
      "newly_allowed a fs:read:/d/* uses_exhausted 1",
    ]);
  });
});

describe("the report", () => {
  it("has the first three of each group, and counts what no group has room for", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/**"));
    for (let n = 0; n < 5; n++) history.step(read("a", `/d/x/${n}`));
    for (let n = 0; n < 1_010; n++) history.step(read("a", `/d/many-${n}/f`));
    const report = await whatIf(history.log, policyOf({ contracts }));
    expect(report).toMatchObject({ requests: 1_015, newly_denied: 1_015, ungrouped: 11 });
    expect(report.groups).toHaveLength(1_000);
    expect(report.groups[0]).toMatchObject({ count: 5, shape: "fs:read:/d/x/*" });
    expect(report.groups[0]?.examples.map((each) => each.capability)).toEqual([
      "fs:read:/d/x/0",
      "fs:read:/d/x/1",
      "fs:read:/d/x/2",
    ]);
  });

  it("what no policy had a part in stays denied", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/**"));
    history.step({ agent: "a", requirements: [], params: {} });
    const report = await whatIf(history.log, policyOf({ contracts, agents: { a: ["fs:*:/d/**"] } }));
    expect(report).toMatchObject({ requests: 1, unchanged: 1 });
  });

  it("a log that was tampered with is an error, not an answer", async () => {
    const history = new History();
    history.apply(policy("fs:read:/d/**"));
    history.step(read("a", "/d/x"));
    const { events } = history.world;
    for (const change of [
      (): void => void events.splice(-2, 1),
      (): void =>
        void events.splice(-1, 1, { ...(events.at(-1) as (typeof events)[0]), request_id: "evt-1" }),
      (): void =>
        void events.splice(-2, 1, { ...(events.at(-2) as (typeof events)[0]), requirements: ["nonsense"] }),
    ]) {
      const kept = [...events];
      change();
      const failure = await whatIf(history.log, policyOf({})).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(StoreError);
      expect(failure).toMatchObject({ code: "database_damaged" });
      events.splice(0, Infinity, ...kept);
    }
  });
});
