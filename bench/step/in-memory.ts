import type { Bench, Report } from "../harness/bench.js";
import { rival } from "../harness/root.js";
import { type Contender, inRounds } from "../harness/rounds.js";
import { ratio } from "../harness/statistics.js";
import { guardedSteps } from "./guarded.js";

interface Client {
  executeWithGovernance(action: string): Promise<{ readonly decision: string }>;
}
interface Toolkit {
  readonly AgentMeshClient: {
    create(
      name: string,
      options: { capabilities: string[]; policyRules: object[]; audit?: { maxEntries: number } },
    ): Client;
  };
}

/** What a guarded step costs besides the waiting for the disk: its log is in memory, which nobody runs it with. */
export const inMemory: Bench = {
  name: "in-memory",
  title:
    "a guarded step without waiting for the disk, against a guarded call that never does, and a bare call",
  run: async ({ short, folder }): Promise<Report> => {
    const guarded = await guardedSteps(folder, "memory", { database: ":memory:" });
    const calls = short ? 200 : 3_000;
    let checked = 0;
    const timed =
      (times: number, call: () => Promise<unknown>, isRight: (answer: unknown) => boolean) => async () => {
        const start = performance.now();
        for (let n = 0; n < times; n++) {
          const answer = await call();
          if (!isRight(answer)) throw new Error("a call gave another answer");
        }
        checked += times;
        return ((performance.now() - start) * 1_000) / times;
      };
    const tool = async (): Promise<null> => null;
    const contenders: Contender[] = [
      {
        what: "guarded step, log in memory",
        unit: "us",
        measure: timed(calls, () => guarded.step(), isNothing),
      },
      {
        what: "bare asynchronous call",
        unit: "us",
        measure: timed(calls * 50, tool, (answer) => answer === null),
      },
    ];
    const toolkit = (await rival("@microsoft/agent-governance-sdk")) as Toolkit | undefined;
    if (toolkit !== undefined) {
      const policyRules = [
        { action: "bench.nothing", effect: "allow" },
        { action: "*", effect: "deny" },
      ];
      const client = toolkit.AgentMeshClient.create("bench", {
        capabilities: ["bench.nothing"],
        policyRules,
      });
      const call = async () => {
        const { decision } = await client.executeWithGovernance("bench.nothing");
        if (decision === "allow") await tool();
        return decision;
      };
      const isRight = (answer: unknown) => answer === "allow";
      contenders.push({ what: "AGT 4.0.0, guarded call", unit: "us", measure: timed(calls, call, isRight) });
    }
    // Once for the compiler.
    await inRounds(1, contenders);
    const measurements = await inRounds(short ? 2 : 7, contenders);
    await guarded.close();
    const [ours, bare, theirs] = measurements;
    if (ours === undefined || bare === undefined) throw new Error("nothing was measured");
    return {
      measurements,
      comparisons: [
        ratio(ours, bare),
        ...(theirs === undefined ? [] : [ratio(ours, theirs), ratio(theirs, bare)]),
      ],
      checked,
      notes: [
        "One caller. The guarded step makes its three events, hashes them into the tree and writes them to a database in memory; nothing of it outlives the process, so it is measured and is no way to run.",
        "AGT keeps the newest 10,000 entries in memory and copies them at each call beyond that; it records the decision and neither parameters nor outcome.",
      ],
    };
  },
};

const isNothing = (answer: unknown): boolean => answer === undefined;
