import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Bench, Measurement } from "../harness/bench.js";
import { atMost, ratio } from "../harness/statistics.js";

interface Sample {
  readonly mark: number;
  readonly steps: number;
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

const program = fileURLToPath(new URL("./steps-process.js", import.meta.url));

/** What one process holds after many steps, against what it held after a few. */
export const memory: Bench = {
  name: "memory",
  title: "Memory of a process after many steps, against after a few",
  run: async (options) => {
    const { short, folder } = options;
    const marks = short ? [1_000, 10_000] : [10_000, 1_000_000];
    const samples = await measured(folder, marks, (line) => options.say(line));
    const at = (mark: number) => samples.filter((sample) => sample.mark === mark);
    const [few = 0, many = 0] = marks;
    const resident = (mark: number) => measurement("resident", mark, at(mark), ({ rss }) => rss);
    const heap = (mark: number) => measurement("live objects", mark, at(mark), ({ heap }) => heap);
    const all = [resident(few), resident(many), heap(few), heap(many)] as const;
    return {
      measurements: all,
      comparisons: [ratio(all[1], all[0], atMost(1.3)), ratio(all[3], all[2])],
      checked: Math.max(...samples.map(({ steps }) => steps)),
      notes: [
        "One process, 64 callers, an action that does nothing; resident memory and the used heap after a full collection.",
        "Each value was read a thousand steps after the one before; every step was checked to have completed.",
      ],
    };
  },
};

async function measured(
  folder: string,
  marks: readonly number[],
  say: (line: string) => void,
): Promise<Sample[]> {
  const child = spawn(process.execPath, ["--expose-gc", program, folder, ...marks.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close") as Promise<[code: number | null]>;
  const samples: Sample[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const sample = JSON.parse(line) as Sample;
    if (samples.at(-1)?.mark !== sample.mark) say(`${sample.steps.toLocaleString("en")} steps`);
    samples.push(sample);
  }
  const [code] = await ended;
  if (code !== 0) throw new Error(`the process that takes steps ended with ${code}`);
  return samples;
}

function measurement(
  what: string,
  mark: number,
  samples: readonly Sample[],
  bytes: (sample: Sample) => number,
): Measurement {
  return {
    what: `${what} after ${mark.toLocaleString("en")} steps`,
    unit: "MiB",
    values: samples.map((sample) => bytes(sample) / 2 ** 20),
  };
}
