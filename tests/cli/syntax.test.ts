import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expectRefusal, folder, synapse } from "./invoke.js";

const commands = [
  ["init"],
  ["run"],
  ["plan"],
  ["check"],
  ["policy", "apply"],
  ["policy", "diff"],
  ["policy", "test"],
  ["what-if"],
  ["suggest"],
  ["explain"],
  ["issue"],
  ["revoke"],
  ["contracts"],
  ["bind"],
  ["unbind"],
  ["bindings"],
  ["suspend"],
  ["unsuspend"],
  ["runs"],
  ["show"],
  ["audit", "list"],
  ["audit", "checkpoint"],
  ["audit", "key"],
  ["audit", "verify"],
  ["audit", "prove"],
  ["audit", "check-proof"],
  ["audit", "consistency"],
  ["audit", "export"],
  ["audit", "erase"],
  ["audit", "rotate-key"],
];

describe("what can be said", () => {
  test.each(commands)("synapse %s %s has --help on standard output", async (...words) => {
    const outcome = await synapse({ cwd: folder() }, ...words, "--help");
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout).toContain(`Usage: synapse ${words.join(" ")}`);
    expect(outcome.stdout).toContain("--db <path>");
    expect(outcome.stdout).toContain("--json");
  });

  test("the help of the whole names every command and every exit code", async () => {
    const { code, stdout } = await synapse({ cwd: folder() }, "--help");
    expect(code).toBe(0);
    for (const [word = ""] of commands) expect(stdout).toMatch(new RegExp(`^  ${word} `, "m"));
    for (const exit of ["0 ", "1 ", "2 ", "3 ", "4 ", "130 "])
      expect(stdout).toMatch(new RegExp(`^  ${exit} +\\S`, "m"));
  });

  test.each(commands)("docs/cli.md tells of synapse %s %s and every option that it has", async (...words) => {
    const guide = readFileSync("docs/cli.md", "utf8");
    const { stdout } = await synapse({ cwd: folder() }, ...words, "--help");
    const section = guide
      .split(/^### /m)
      .find((part) => new RegExp(`^[^\n]*\`synapse ${words.join(" ")}[ \`]`).test(part));
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z]+)/gm)].map(([, option = ""]) => option);
    expect(options).toContain("--json");
    // Those that all have are told of once; `unsuspend` has what `suspend` has.
    const common = new Set(["--db", "--anchor", "--json", "--help"]);
    for (const option of options) if (!common.has(option)) expect(section).toContain(option);
    expect(section).toContain("Exit codes: 0");
  });

  test("--version gives the package's version", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await synapse({ cwd: folder() }, "--version")).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: "",
    });
  });

  test("no command at all is a usage error that shows the help, apart from standard output", async () => {
    const outcome = await synapse({ cwd: folder() });
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(outcome.stderr).toContain("Usage: synapse");
    expect(await synapse({ cwd: folder() }, "audit")).toMatchObject({ code: 2, stdout: "" });
  });
});

const by = ["--by", "ops"];
const read = ["--capability", "fs:read:/srv/a"];

/** Everything here is wrong with the command itself: exit code 2, and no database comes of it. */
const malformed: readonly (readonly [string, readonly string[], string, RegExp])[] = [
  ["an unknown command", ["bnd"], "usage", /unknown command `bnd`\nhint: did you mean bind\?/],
  ["an unknown command of a group", ["token", "isue"], "usage", /`isue`\nhint: did you mean token issue\?/],
  ["an unknown option", ["runs", "--frobnicate"], "usage", /`--frobnicate`\nhint: synapse runs --help/],
  ["a missing operand", ["run"], "usage", /missing required argument `workflow`\nhint: synapse run --help/],
  ["an operand too many", ["show", "a", "b"], "usage", /too many arguments/],
  ["a missing option", ["unbind", "bind_1"], "usage", /`--by <who>` not specified/],
  ["an option without its value", ["runs", "--limit"], "usage", /argument missing/],
  ["a limit that is no number", ["runs", "--limit", "ten"], "usage", /at least 1/],
  ["a limit of none", ["audit", "list", "--limit", "0"], "usage", /at least 1/],
  [
    "a limit that is too large to count",
    ["runs", "--limit", "99999999999999999999"],
    "usage",
    /whole number/,
  ],
  ["a concurrency of none", ["run", "w.yaml", "--concurrency", "0"], "usage", /at least 1/],
  ["a seed that is no whole number", ["run", "w.yaml", "--seed", "1.5"], "usage", /whole number/],
  ["an input without a name", ["run", "w.yaml", "--input", "=x"], "usage", /name=value/],
  ["an input without a value", ["run", "w.yaml", "--input", "x"], "usage", /name=value/],
  [
    "an input given twice",
    ["run", "w.yaml", "--input", "x=1", "--input", "x=2"],
    "usage",
    /x is given twice/,
  ],
  ["an agent id with a space", ["check", "--agent", "a b", ...read], "usage", /an agent id begins with/],
  ["an agent id that is empty", ["suspend", "--agent", "", ...by], "usage", /an agent id begins with/],
  ["a pattern of agents with a slash", ["issue", ...read, "--to", "a/*", ...by], "usage", /pattern of ids/],
  ["an actor without a name", ["issue", ...read, "--by", ""], "usage", /1 to 256 characters/],
  ["parameters that are no JSON", ["check", "--agent", "a", ...read, "--params", "{"], "usage", /not JSON/],
  [
    "parameters that are a list",
    ["check", "--agent", "a", ...read, "--params", "[]"],
    "usage",
    /JSON object/,
  ],
  ["constraints that are null", ["issue", ...read, "--constraints", "null", ...by], "usage", /JSON object/],
  ["a database without a name", ["runs", "--db", ""], "usage", /must not be empty/],
  [
    "a contract and a parent together",
    ["bind", "--agent", "a", ...read, "--contract", "c", "--parent", "b", ...by],
    "usage",
    /cannot be used with/,
  ],
  [
    "a capability that is none",
    ["check", "--agent", "a", "--capability", "bad"],
    "invalid_capability",
    /`bad` at 3/,
  ],
  [
    "a capability with dots",
    ["issue", "--capability", "fs:read:/a/../b", ...by],
    "invalid_capability",
    /at \d+/,
  ],
  ["a scope that is none", ["check", "--agent", "a", ...read, "--scope", "b"], "invalid_capability", /./],
  [
    "an unknown constraint",
    ["issue", ...read, "--constraints", '{"max_use":1}', ...by],
    "invalid_constraint",
    /max_use/,
  ],
  [
    "an expiry that is no time",
    ["issue", ...read, "--expires", "tomorrow", ...by],
    "invalid_time",
    /tomorrow/,
  ],
  [
    "a day that does not exist",
    ["issue", ...read, "--expires", "2027-02-30T00:00:00Z", ...by],
    "invalid_time",
    /./,
  ],
  [
    "a workflow that is not there",
    ["run", "w.yaml"],
    "unreadable_file",
    /`w\.yaml` cannot be read: there is no such file/,
  ],
  ["a workflow that is a folder", ["plan", "."], "unreadable_file", /it is a folder/],
  ["a policy that is not there", ["policy", "apply", "p.yaml"], "unreadable_file", /`p\.yaml`/],
];

describe("malformed commands end with 2 and leave no database behind", () => {
  test.each(malformed)("%s", async (_what, argv, errorCode, said) => {
    const cwd = folder();
    expectRefusal(await synapse({ cwd }, ...argv), 2, errorCode, said);
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });
});

describe("which database", () => {
  test.each([
    ["runs"],
    ["show", "run_1"],
    ["bindings"],
    ["contracts"],
    ["audit", "list"],
    ["unbind", "bind_1", ...by],
    ["revoke", "ctr_1", ...by],
  ])("synapse %s … does not make a missing one", async (...argv) => {
    const cwd = folder();
    expectRefusal(await synapse({ cwd }, ...argv), 2, "missing_store", /\nhint: .*--db/);
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });

  test("--db goes before SYNAPSE_DB, and that before the default", async () => {
    const cwd = folder();
    const issue = ["issue", ...read, ...by];
    await synapse({ cwd, env: { SYNAPSE_DB: "env.db" } }, ...issue, "--db", "option.db");
    expect(["option.db", "env.db", ".synapse"].map((name) => existsSync(join(cwd, name)))).toEqual([
      true,
      false,
      false,
    ]);
    await synapse({ cwd, env: { SYNAPSE_DB: "env.db" } }, ...issue);
    expect(existsSync(join(cwd, "env.db"))).toBe(true);
    await synapse({ cwd, env: { SYNAPSE_DB: "" } }, ...issue);
    expect(existsSync(join(cwd, ".synapse/synapse.db"))).toBe(true);
  });

  test("the common options may stand before the command", async () => {
    const cwd = folder();
    await synapse({ cwd }, "--db", "x.db", "issue", ...read, ...by);
    const { code, stdout } = await synapse({ cwd }, "--db", "x.db", "--json", "contracts");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ capability: "fs:read:/srv/a" });
  });

  test("a file that is no database of ours is refused and stays as it is", async () => {
    const cwd = folder({ "notes.txt": "dear diary\n".repeat(100) });
    expectRefusal(await synapse({ cwd }, "issue", ...read, ...by, "--db", "notes.txt"), 2, "not_a_store");
    expect(readFileSync(join(cwd, "notes.txt"), "utf8")).toBe("dear diary\n".repeat(100));
  });

  test("a place where no database can be is a failure of the machine: exit code 1", async () => {
    const cwd = folder({ file: "" });
    expectRefusal(await synapse({ cwd }, "issue", ...read, ...by, "--db", "file/x.db"), 1, "cannot_open");
  });
});
