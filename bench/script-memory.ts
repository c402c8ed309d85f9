/**
 * What scripts leave behind and how fast they are ended: `npm run build && node --import tsx bench/script-memory.ts
 * [SCRIPTS]`, default 10,000. Runs them from the build, four agents at a time, every tenth with 8 MiB of its own;
 * prints resident memory after 100 and at the end, and how long after its deadline an endless script is over.
 */
import { fileURLToPath } from "node:url";
import type { SandboxPool as Pool } from "../src/actions/sandbox/pool.js";

const scripts = Number(process.argv[2] ?? 10_000);
const { SandboxPool } = (await import(
  fileURLToPath(new URL("../dist/actions/sandbox/pool.js", import.meta.url))
)) as { readonly SandboxPool: new () => Pool };
const pool = new SandboxPool();

const light = "return input.n + (await handles.test.call()).n";
const heavy =
  "const held = []; for (let i = 0; i < 8; i++) held.push(new Uint8Array(1 << 20).fill(i)); return held.length";

async function run(n: number, code: string, signal = new AbortController().signal): Promise<void> {
  const end = await pool.run({
    job: {
      file: "bench",
      code,
      input: JSON.stringify({ n }),
      seed: String(n),
      startMs: 0,
      methods: ["test.call"],
      memoryBytes: 64 * 1024 * 1024,
      textMax: 100_000,
      callsMax: 10,
    },
    agentId: `agent-${n % 4}`,
    signal,
    onCall: (_method, _args, answer) => answer(true, '{"n":1}'),
  });
  if (end.kind !== "value") throw new Error(`script ${n} ended with ${end.kind}`);
}

const mebibytes = (): string => (process.memoryUsage.rss() / 2 ** 20).toFixed(0);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const startedAt = performance.now();
let next = 0;
async function lane(): Promise<void> {
  for (;;) {
    const n = next++;
    if (n >= scripts) return;
    await run(n, n % 10 === 9 ? heavy : light);
    if (n === 99 || n === scripts - 1 || (n + 1) % 2_000 === 0)
      say(`after ${n + 1} scripts: ${mebibytes()} MiB resident`);
  }
}
await Promise.all(Array.from({ length: 4 }, lane));
say(`${((performance.now() - startedAt) / scripts).toFixed(2)} ms a script`);

const bombs = ["for (;;);", "return new Array(1e9) + ''", "return /^(a|a)*$/.test('a'.repeat(60) + 'b')"];
for (const bomb of bombs) {
  const stop = new AbortController();
  let late = 0;
  setTimeout(() => {
    late = performance.now();
    stop.abort(new Error("deadline"));
  }, 500);
  await run(0, bomb, stop.signal).catch(() => undefined);
  say(`${bomb}: over ${(performance.now() - late).toFixed(1)} ms after its deadline`);
}
await pool.close();
say(`all threads closed ${process.memoryUsage.rss() > 0 ? mebibytes() : ""} MiB`);
