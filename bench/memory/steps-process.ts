/**
 * A process that takes steps and says what memory it holds: `node --expose-gc steps-process.js FOLDER MARK …`. At each
 * mark it lets go of what is garbage and says so five times, a thousand steps apart, as one line of JSON each.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { getHeapStatistics, writeHeapSnapshot } from "node:v8";
import { guardedSteps } from "../step/guarded.js";

const callers = 64;
const samples = 5;
const samplesApart = 1_000;

const [folder = "", ...marks] = process.argv.slice(2);
const collect = (globalThis as { readonly gc?: () => void }).gc;
if (collect === undefined) throw new Error("start it with --expose-gc");
const source = await guardedSteps(folder, "steps");

async function stepsUpTo(count: number): Promise<void> {
  const worker = async (): Promise<void> => {
    while (started < count) {
      started++;
      await source.step();
    }
  };
  await Promise.all(Array.from({ length: callers }, worker));
}

let started = 0;
for (const mark of marks.map(Number)) {
  for (let sample = 0; sample < samples; sample++) {
    await stepsUpTo(mark + sample * samplesApart);
    // What background work holds for a moment is gone by then.
    await sleep(200);
    collect();
    const { rss, external } = process.memoryUsage();
    const heap = getHeapStatistics().used_heap_size;
    process.stdout.write(`${JSON.stringify({ mark, steps: source.completed, rss, heap, external })}\n`);
  }
  if (process.env["BENCH_SNAPSHOTS"] !== undefined)
    writeHeapSnapshot(`${process.env["BENCH_SNAPSHOTS"]}/${mark}.heapsnapshot`);
}
await source.close();
