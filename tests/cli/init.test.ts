import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { document, documents, expectRefusal, folder, synapse } from "./invoke.js";

test("what init makes really runs: two steps done, one denied on purpose, exit code 0", async () => {
  const cwd = folder();
  const init = await synapse({ cwd }, "init");
  expect(init.code).toBe(0);
  expect(init.stdout).toMatch(/^✓ made +\.synapse\/synapse\.db/m);
  const next = [...init.stdout.matchAll(/^ {2}synapse (.+)$/gm)].map(([, words = ""]) => words.split(" "));
  expect(next.map(([command]) => command)).toEqual(["plan", "run"]);
  const plan = await synapse({ cwd }, ...(next[0] ?? []), "--json");
  expect(documents(plan).map(({ allowed }) => allowed)).toEqual([true, true, false]);
  const run = await synapse({ cwd }, ...(next[1] ?? []), "--input", "name=Ada", "--json");
  expect(run.code).toBe(0);
  expect(documents(run).at(-1)).toMatchObject({
    status: "completed",
    steps: [
      { status: "completed" },
      { status: "completed" },
      { status: "denied", reason: "no_binding_found" },
    ],
  });
  expect(readFileSync(join(cwd, "synapse-out/greeting.txt"), "utf8")).toBe("Hello, Ada!\n");
});

test("nothing is overwritten, and what was kept is named", async () => {
  const cwd = folder({ "synapse.policy.yaml": "mine" });
  const made = [".synapse/synapse.db", "synapse.workflow.yaml"];
  expect(document(await synapse({ cwd }, "init", "--json"))).toEqual({
    database: ".synapse/synapse.db",
    created: made,
    kept: ["synapse.policy.yaml"],
  });
  writeFileSync(join(cwd, "synapse.workflow.yaml"), "mine too");
  const again = await synapse({ cwd }, "init");
  expect(again.code).toBe(0);
  expect(again.stdout.match(/^– kept/gm)).toHaveLength(3);
  for (const [name, text] of [
    ["synapse.policy.yaml", "mine"],
    ["synapse.workflow.yaml", "mine too"],
  ] as const) {
    expect(readFileSync(join(cwd, name), "utf8")).toBe(text);
  }
});

test("the database is for its owner only", async () => {
  const cwd = folder();
  await synapse({ cwd }, "init");
  expect(statSync(join(cwd, ".synapse")).mode & 0o777).toBe(0o700);
  expect(statSync(join(cwd, ".synapse/synapse.db")).mode & 0o777).toBe(0o600);
});

test("commands that it suggests name the database that was named", async () => {
  const { stdout } = await synapse({ cwd: folder() }, "init", "--db", "a b.db");
  expect(stdout).toContain("synapse run synapse.workflow.yaml --policy synapse.policy.yaml --db 'a b.db'");
});

test.runIf(process.platform === "linux")(
  "a folder that takes no files is a failure of the machine: exit code 1",
  async () => {
    const database = join(folder(), "x.db");
    expectRefusal(await synapse({ cwd: "/proc/self" }, "init", "--db", database), 1, "unwritable_file");
  },
);
