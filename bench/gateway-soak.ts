/**
 * Many sessions at one gateway over HTTP, each with many calls in flight: `tsx bench/gateway-soak.ts [SECONDS]
 * [SESSIONS] [IN_FLIGHT]`, default 60, 64 and 16. Prints what became of all calls, and the memory of the gateway's
 * process. Needs a build.
 */
import { soak } from "../tests/gateway/soak.js";

const [seconds = "60", sessions = "64", inFlight = "16"] = process.argv.slice(2);
const { residentMiB, perSession, ...report } = await soak({
  seconds: Number(seconds),
  sessions: Number(sessions),
  inFlight: Number(inFlight),
  heapMiB: 512,
});
const middle = (part: readonly number[]): number => part.toSorted((a, b) => a - b)[part.length >> 1] ?? 0;
const quarter = residentMiB.length >> 2;
const memory = {
  resident_mib_second_quarter: middle(residentMiB.slice(quarter, 2 * quarter)),
  resident_mib_last_quarter: middle(residentMiB.slice(-quarter)),
};
const calls = {
  calls_per_second: Math.round(report.calls / Number(seconds)),
  fewest_of_a_session: perSession.asked[0],
  most_of_a_session: perSession.asked.at(-1),
};
process.stdout.write(`${JSON.stringify({ ...report, ...calls, ...memory }, undefined, 2)}\n`);
process.stdout.write(`resident MiB, each second: ${residentMiB.join(" ")}\n`);
