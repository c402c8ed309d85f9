/**
 * A crowd at the gateway for some time: 64 sessions with 16 calls in flight each. `SYNAPSE_SOAK_SECONDS` makes it
 * longer; `bench/gateway-soak.ts` prints figures.
 */
import { expect, it } from "vitest";
import { soak } from "../gateway/soak.js";

const seconds = Number(process.env["SYNAPSE_SOAK_SECONDS"] ?? 10);

it(
  `for ${seconds} s no call is lost, crossed or unrecorded, in a heap that stays small`,
  { timeout: (seconds + 300) * 1_000 },
  async () => {
    const sessions = 64;
    // One that keeps something of every call runs out of it, and its calls are lost.
    const report = await soak({ sessions, inFlight: 16, seconds, heapMiB: 256 });
    expect(report.calls).toBeGreaterThan(sessions * 16);
    expect(report).toMatchObject({ lost: 0, crossed: 0, verified: true, exitCode: 130 });
    expect(report.denied).toBeGreaterThan(0);
    expect(report.recorded).toEqual({
      requested: report.calls,
      denied: report.denied,
      completed: report.calls - report.denied,
      runs: sessions,
    });
    expect(report.perSession.recorded).toEqual(report.perSession.asked);
    // No session waits for the others all the time.
    const [fewest = 0] = report.perSession.asked;
    expect(fewest).toBeGreaterThan(report.calls / sessions / 4);
  },
);
