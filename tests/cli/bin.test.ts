import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createPipeline } from "../../src/index.js";
import { document, documents, folder, synapse } from "./invoke.js";
import { denied, failing, failingPolicy, good, policy, slow, slowPolicy } from "./workflows.js";

const bin = resolve("dist/cli/main.js");

beforeAll(() => {
  if (!existsSync(bin)) throw new Error("there is no dist/cli/main.js to test: `npm run build` makes it");
});

interface Started {
  readonly child: ChildProcess;
  /** Standard output so far. */
  readonly text: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** The built program as a process of its own, with nothing of this one's environment but the search path. */
function start(cwd: string, argv: readonly string[], stdout: "pipe" | number = "pipe"): Started {
  const env = { PATH: process.env["PATH"] ?? "" };
  const child = spawn(process.execPath, [bin, ...argv], { cwd, env, stdio: ["ignore", stdout, "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const chunks: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
  const text = () => Buffer.concat(chunks).toString("utf8");
  const ended = new Promise<Awaited<Started["ended"]>>((done) => {
    child.on("close", (code) =>
      done({ code, stdout: text(), stderr: Buffer.concat(errors).toString("utf8") }),
    );
  });
  return { child, text, ended };
}

const run = (cwd: string, ...argv: string[]) => start(cwd, argv).ended;

describe("the program", () => {
  test("--version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await run(folder(), "--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("exit codes: done 0, failed 1, invalid 2, denied 3", async () => {
    const cwd = folder({
      "p.yaml": policy,
      "good.yaml": good,
      "denied.yaml": denied,
      "f.yaml": failingPolicy,
      "failing.yaml": failing,
    });
    expect((await run(cwd, "run", "good.yaml", "--policy", "p.yaml")).code).toBe(0);
    expect((await run(cwd, "run", "failing.yaml", "--policy", "f.yaml")).code).toBe(1);
    expect((await run(cwd, "run", "missing.yaml")).code).toBe(2);
    expect((await run(cwd, "run", "denied.yaml")).code).toBe(3);
  });

  test("errors go to standard error, and a pipe gets no colour and no cursor movements", async () => {
    const cwd = folder({ "p.yaml": policy, "good.yaml": good });
    const { stdout } = await run(cwd, "run", "good.yaml", "--policy", "p.yaml");
    expect(stdout).not.toMatch(/[\u001b\r]/);
    const refused = await run(cwd, "show", "run_none", "--json");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/^error\[not_found\]: .*\nhint: .*\n$/);
  });
});

describe("signals", () => {
  const napping = () => {
    const cwd = folder({ "p.yaml": slowPolicy, "slow.yaml": slow });
    return { cwd, ...start(cwd, ["run", "slow.yaml", "--policy", "p.yaml", "--json"]) };
  };

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s cancels the run, which is recorded and summed up: 130",
    async (signal) => {
      const { cwd, child, text, ended } = napping();
      await expect.poll(text, { timeout: 20_000 }).toContain('"effect_attempted"');
      child.kill(signal);
      const { code, stdout, stderr } = await ended;
      expect({ code, stderr }).toEqual({ code: 130, stderr: "" });
      const printed = documents({ stdout });
      expect(printed.at(-1)).toMatchObject({
        status: "cancelled",
        steps: [{ status: "cancelled" }, { status: "cancelled" }],
      });
      expect(printed.at(-2)).toMatchObject({ event: "run_cancelled" });
      expect(document(await synapse({ cwd }, "runs", "--json"))).toMatchObject({ status: "cancelled" });
    },
  );

  test("the second Ctrl-C ends it at once, although its run cannot be recorded yet", async () => {
    const { cwd, child, text, ended } = napping();
    await expect.poll(text, { timeout: 20_000 }).toContain('"effect_attempted"');
    // While another process writes, the end of the step cannot be recorded: the first Ctrl-C has to wait.
    const db = new Database(join(cwd, ".synapse/synapse.db"));
    onTestFinished(() => void db.close());
    await expect.poll(() => lock(db), { timeout: 20_000 }).toBe(true);
    child.kill("SIGINT");
    await new Promise((done) => setTimeout(done, 500));
    expect(child.exitCode).toBeNull();
    child.kill("SIGINT");
    const { code, stdout } = await ended;
    expect(code).toBe(130);
    expect(documents({ stdout }).at(-1)).toHaveProperty("event");
  });

  test("--follow ends on Ctrl-C without an error", async () => {
    const cwd = folder({ "p.yaml": policy });
    await run(cwd, "policy", "apply", "p.yaml");
    const { child, text, ended } = start(cwd, ["audit", "list", "--follow", "--json"]);
    await expect.poll(text, { timeout: 20_000 }).toContain('"policy_applied"');
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  });
});

describe("a reader that goes away", () => {
  test("after the first lines of a long log: the listing ends quietly", async () => {
    const cwd = folder();
    const pipeline = await createPipeline({ database: join(cwd, "log.db"), workingFolder: cwd });
    const filler = "x".repeat(500);
    await Promise.all(
      Array.from({ length: 5_000 }, (_, n) => pipeline.audit.emitEvent("x_filler", { n, filler })),
    );
    await pipeline.close();
    const { child, ended } = start(cwd, ["audit", "list", "--db", "log.db", "--json"]);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n").length).toBeLessThan(5_000);
  });

  test("during a run: the run goes on to its recorded end", async () => {
    const cwd = folder({ "p.yaml": policy, "good.yaml": good });
    const { child, ended } = start(cwd, ["run", "good.yaml", "--policy", "p.yaml", "--json"]);
    child.stdout?.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    expect(document(await synapse({ cwd }, "runs", "--json"))).toMatchObject({ status: "completed" });
  });

  test.runIf(existsSync("/dev/full"))(
    "a disk that is full is not a reader that went away: exit code 1",
    async () => {
      const cwd = folder({ "p.yaml": policy });
      await run(cwd, "policy", "apply", "p.yaml");
      const { code, stderr } = await start(cwd, ["audit", "list"], openSync("/dev/full", "w")).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(/^error\[output_failed\]: .*ENOSPC/);
    },
  );
});

function lock(db: Database.Database): boolean {
  try {
    db.exec("BEGIN IMMEDIATE");
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === "SQLITE_BUSY") return false;
    throw error;
  }
}
