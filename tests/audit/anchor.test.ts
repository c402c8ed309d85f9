/** A checkpoint that others hold: a database that was put back must not revive what was revoked since. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseCheckpoint } from "../../src/verify.js";
import { document, documents, folder, synapse } from "../cli/invoke.js";
import { good, policy } from "../cli/workflows.js";

const prepare = () => folder({ "p.yaml": policy, "good.yaml": good });
const run = (cwd: string, anchor: string, ...argv: string[]) =>
  synapse({ cwd }, ...argv, "--db", "log.db", "--anchor", anchor);
const start = (cwd: string, anchor: string, ...argv: string[]) =>
  run(cwd, anchor, "run", "good.yaml", "--json", ...argv);

/** An archive that keeps what is PUT, and may be told to answer otherwise. */
async function archive() {
  const kept: { note: string | undefined; status: number | undefined } = {
    note: undefined,
    status: undefined,
  };
  const server = createServer((request, response) => {
    if (kept.status !== undefined) return void response.writeHead(kept.status).end();
    if (request.method === "GET")
      return void response.writeHead(kept.note === undefined ? 404 : 200).end(kept.note);
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on("end", () => {
      kept.note = body;
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  onTestFinished(async () => {
    server.closeAllConnections();
    if (server.listening) await close();
  });
  return { kept, close, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/checkpoint` };
}

async function expectRefusedSteps(cwd: string, anchor: string, said: RegExp) {
  const outcome = await start(cwd, anchor);
  expect(outcome.code).not.toBe(0);
  expect(outcome.stderr + outcome.stdout).toMatch(/audit_unavailable/);
  expect(outcome.stderr + outcome.stdout).toMatch(said);
  const list = documents(await synapse({ cwd }, "audit", "list", "--db", "log.db", "--json"));
  return list.length;
}

describe("an anchor", () => {
  test("that is a file or a URL holds the newest checkpoint, and a log that agrees runs", async () => {
    const server = await archive();
    for (const [anchor, read] of [
      ["kept", (cwd: string) => readFileSync(join(cwd, "kept"), "utf8")],
      [server.url, () => server.kept.note ?? ""],
    ] as const) {
      const cwd = prepare();
      expect((await start(cwd, anchor, "--policy", "p.yaml")).code).toBe(0);
      const { checkpoint } = parseCheckpoint(read(cwd));
      expect((await start(cwd, anchor)).code).toBe(0);
      expect(parseCheckpoint(read(cwd)).checkpoint.size).toBeGreaterThan(checkpoint.size);
      expect(document(await run(cwd, anchor, "audit", "checkpoint", "--json"))["note"]).toBe(read(cwd));
      expect(existsSync(join(cwd, `kept.tmp-${process.pid}`))).toBe(false);
    }
  });

  test("refuses every step of a backup that was put back, and authority can still be taken away", async () => {
    const cwd = prepare();
    await start(cwd, "kept", "--policy", "p.yaml");
    copyFileSync(join(cwd, "log.db"), join(cwd, "backup"));
    await run(cwd, "kept", "suspend", "--agent", "scribe", "--by", "ops");
    const kept = readFileSync(join(cwd, "kept"), "utf8");
    for (const suffix of ["-wal", "-shm"]) rmSync(join(cwd, `log.db${suffix}`), { force: true });
    copyFileSync(join(cwd, "backup"), join(cwd, "log.db"));
    const before = documents(await synapse({ cwd }, "audit", "list", "--db", "log.db", "--json")).length;
    expect(
      await expectRefusedSteps(cwd, "kept", /the log is behind its anchor: it has \d+ events, the log \d+/),
    ).toBe(before);
    expect((await run(cwd, "kept", "suspend", "--agent", "reader", "--by", "ops")).code).toBe(0);
    expect(readFileSync(join(cwd, "kept"), "utf8")).toBe(kept);
    await expectRefusedSteps(cwd, "kept", /the log is behind its anchor/);
  });

  test("of another log, with another history, or that is garbage refuses steps", async () => {
    const cwd = prepare();
    const other = prepare();
    await start(cwd, "kept", "--policy", "p.yaml");
    await start(other, "kept", "--policy", "p.yaml");
    await expectRefusedSteps(cwd, join(other, "kept"), /it is of the log `synapse\.local/);
    writeFileSync(join(cwd, "kept"), "garbage");
    await expectRefusedSteps(cwd, "kept", /anchor cannot be read: this is not a signed note/);
  });

  test("that cannot be reached, or answers with an error, refuses steps: fail closed", async () => {
    const cwd = prepare();
    const server = await archive();
    await start(cwd, server.url, "--policy", "p.yaml");
    server.kept.status = 503;
    await expectRefusedSteps(cwd, server.url, /anchor cannot be read: .*it answers 503/);
    await server.close();
    await expectRefusedSteps(cwd, server.url, /anchor cannot be read/);
  });
});
