/**
 * `npm run bench [-- [--short] [--json] [--write] NAME …]`: runs benches and prints what they measured.
 *
 * They run from a build of their own, made by the compiler that makes the package: what runs TypeScript directly names
 * every function anew where it is created, which costs more than a decision.
 *
 * `--short` runs each in a form that takes seconds and only shows that it works and answers rightly. `--write` puts
 * the results into docs/benchmarks/, where the figures that are published live.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benches } from "../benches.js";
import type { Bench, Report } from "./bench.js";
import { machine } from "./machine.js";
import { root } from "./root.js";
import { summary } from "./summary.js";
import { asMarkdown } from "./table.js";

const published = join(root, "docs/benchmarks");

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
  },
});

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  if (flags.list) {
    for (const { name, title } of benches) process.stdout.write(`${name.padEnd(16)} ${title}\n`);
    return;
  }
  const unknown = names.find((name) => !benches.some((bench) => bench.name === name));
  if (unknown !== undefined) {
    say(`there is no bench \`${unknown}\`; \`npm run bench -- --list\` lists them`);
    process.exitCode = 2;
    return;
  }
  if (flags.short && flags.write) {
    say("a short run measures nothing that could be published: leave out --short or --write");
    process.exitCode = 2;
    return;
  }
  for (const bench of benches.filter(({ name }) => names.length === 0 || names.includes(name))) {
    tell(bench, await measured(bench));
  }
}

async function measured(bench: Bench): Promise<Report> {
  const folder = mkdtempSync(join(process.env["BENCH_FOLDER"] ?? tmpdir(), "synapse-bench-"));
  say(`== ${bench.name}: ${bench.title}`);
  try {
    return await bench.run({ short: flags.short, folder, say });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tell(bench: Bench, report: Report): void {
  const result = { bench: bench.name, title: bench.title, short: flags.short, machine: machine(), ...report };
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  const markdown = asMarkdown(report);
  process.stdout.write(flags.json ? json : `\n## ${bench.name}: ${bench.title}\n\n${markdown}\n`);
  if (!flags.write) return;
  mkdirSync(published, { recursive: true });
  writeFileSync(join(published, `${bench.name}.json`), json);
  writeFileSync(
    join(published, `${bench.name}.md`),
    `# ${bench.title}\n\n${described(result.machine)}\n\n${markdown}\n`,
  );
  writeFileSync(join(published, "summary.md"), `${summary(benches, published)}\n`);
}

function described(on: ReturnType<typeof machine>): string {
  return (
    `Measured on ${on.date}: ${on.processors} processors (${on.processor}), ${on.memory_gib} GiB, ${on.system}, ` +
    `Node ${on.node}, ${on.sqlite_binding}. Repeat it with \`npm run bench\`.`
  );
}

await main();
