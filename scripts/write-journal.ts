/**
 * Records runs and writes them as bundles that every later version has to replay: see tests/journals/README.md.
 *
 *     npx tsx scripts/write-journal.ts NAME tests/journals/v1
 *
 * NAME.synapse.gz is the bundle, complete, and NAME.vkey the key of its log.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import { runCli } from "../src/cli/run-cli.js";
import { livelyLog } from "../tests/proof/fixtures/lively-log.js";
import { policyFor, workflowFor } from "../tests/replay/everything-workflow.js";
import { fillJournal } from "../tests/journals/fill-journal.js";

const [name = "everything", target = "tests/journals/v1"] = process.argv.slice(2);
const output = resolve(target, name);
// Recorded, so it must not tell of the machine it was recorded on.
const cwd = "/tmp/journal";
rmSync(cwd, { recursive: true, force: true });
mkdirSync(cwd);
process.chdir(cwd);

async function synapse(...argv: readonly string[]): Promise<string> {
  let text = "";
  const stdout = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const context = { stdout, stderr: process.stderr, env: {}, cwd, signal: undefined };
  await runCli([...argv, "--db", join(cwd, "log.db")], context);
  return text.trimEnd();
}

const server = createServer((request, response) => {
  if (request.url === "/hop") response.writeHead(302, { location: "/landed" }).end();
  else request.pipe(response.writeHead(200, { "content-type": "text/plain" }));
});
await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address() as AddressInfo;
writeFileSync("p.yaml", policyFor(port));
writeFileSync("w.yaml", workflowFor(port));
writeFileSync("binary", Buffer.from([0xff, 0, 0xfe, 10]));

await livelyLog(join(cwd, "log.db"));
await fillJournal(join(cwd, "log.db"), cwd);
const run = await synapse("run", "w.yaml", "--policy", "p.yaml", "--json");
server.close();
await synapse("audit", "rotate-key", "--by", "ops");
const { run_id: runId } = JSON.parse(run.slice(run.lastIndexOf("\n") + 1)) as { run_id: string };
const file = join(cwd, "run.synapse");
const written = JSON.parse(await synapse("bundle", runId, "--complete", "-o", file, "--json")) as {
  readonly vkey: string;
};
writeFileSync(`${output}.synapse.gz`, gzipSync(readFileSync(file), { level: 9 }));
writeFileSync(`${output}.vkey`, `${written.vkey}\n`);
rmSync(cwd, { recursive: true });
