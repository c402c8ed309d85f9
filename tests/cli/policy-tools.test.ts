/** `policy diff`, `policy test`, `what-if`, `suggest` and `explain` on real files, databases and shells. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { document, type Document, documents, expectRefusal, folder, synapse } from "./invoke.js";

const policy = `version: 1
name: team
contracts:
  data: { capability: "fs:*:./data/**" }
  git: { capability: "os:process:git" }
agents:
  reader:
    - fs:read:./data/**
  writer:
    - capability: fs:write:./data/out/**
      constraints: { max_uses: 5 }
`;

const workflow = `name: w
steps:
  - { id: one, agent: reader, action: fs.read, with: { path: data/a/1.txt } }
  - { id: two, agent: reader, action: fs.read, with: { path: data/a/2.txt } }
  - { id: three, agent: reader, action: fs.read, with: { path: data/a/3.txt } }
  - { id: put, agent: writer, action: fs.write, needs: [one], with: { path: data/out/x.txt, content: hi } }
  - { id: steal, agent: writer, action: fs.read, on_denied: continue, with: { path: data/a/1.txt } }
`;

/** A folder in which the workflow ran once. */
async function ran(): Promise<string> {
  const cwd = folder({ "p.yaml": policy, "w.yaml": workflow });
  execFileSync("mkdir", ["-p", "data/a", "data/out"], { cwd });
  for (const name of ["1", "2", "3"]) writeFileSync(join(cwd, `data/a/${name}.txt`), name);
  expect(await synapse({ cwd }, "run", "w.yaml", "--policy", "p.yaml")).toMatchObject({ code: 0 });
  return cwd;
}

const events = async (cwd: string): Promise<Document[]> =>
  documents(await synapse({ cwd }, "audit", "list", "--json"));

/** The database and what waits to go into it, byte for byte; that SQLite leaves an empty file there is no change. */
function bytes(cwd: string): string {
  return ["synapse.db", "synapse.db-wal"]
    .map((name) => join(cwd, ".synapse", name))
    .map((file) => (existsSync(file) ? readFileSync(file) : Buffer.alloc(0)))
    .map((content) => createHash("sha256").update(content).digest("hex"))
    .join("\n");
}

describe("policy diff", () => {
  test("nothing, against what was applied; everything, against nothing; exit code 0 whatever it finds", async () => {
    const cwd = await ran();
    const same = await synapse({ cwd }, "policy", "diff", "p.yaml");
    expect(same).toMatchObject({ code: 0, stdout: "no differences\n", stderr: "" });
    const empty = await synapse({ cwd }, "policy", "diff", "p.yaml", "--db", "none.db", "--json");
    expect(empty).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("as for an empty one") as string,
    });
    expect(documents(empty).map(({ change, kind }) => `${String(change)} ${String(kind)}`)).toEqual([
      "added contract",
      "added contract",
      "added binding",
      "added binding",
    ]);
    expect(existsSync(join(cwd, "none.db"))).toBe(false);
  });

  test("marks what may allow more, and tells in what", async () => {
    const cwd = await ran();
    writeFileSync(
      join(cwd, "new.yaml"),
      policy
        .replace("fs:read:./data/**", "fs:read:./data/a/**")
        .replace("max_uses: 5", "max_uses: 6")
        .replace("  git: {", "  hub: {"),
    );
    const outcome = await synapse({ cwd }, "policy", "diff", "new.yaml", "--json");
    expect(
      documents(outcome).map(({ change, widens, kind, subject }) => [change, widens, kind, subject]),
    ).toEqual([
      ["added", true, "contract", "hub"],
      ["narrowed", false, "binding", "reader"],
      ["widened", true, "binding", "writer"],
      ["removed", false, "contract", "git"],
    ]);
    const text = await synapse({ cwd }, "policy", "diff", "new.yaml", "p.yaml");
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^> WIDENED +binding +writer /m);
    expect(text.stdout).toMatch(/constraints\.max_uses {2}5 → 6 {2}wider/);
    expect(text.stdout).toMatch(/compared with p\.yaml: 4 differences, 2 of which may allow more/);
  });

  test("a mistake in the file is refused with its place", async () => {
    const cwd = folder({ "bad.yaml": "version: 1\nagents: { a: [fs:read] , b: 1 }\n" });
    expectRefusal(await synapse({ cwd }, "policy", "diff", "bad.yaml"), 2, "invalid_policy", /bad\.yaml:2:/);
  });
});

describe("policy test", () => {
  const cases = `policy: ./p.yaml
cases:
  - { agent: reader, capability: "fs:read:./data/a/1.txt", expect: allow }
  - { agent: reader, capability: "fs:write:./data/a/1.txt", expect: deny, reason: no_binding_found }
  - { agent: nobody, capability: "net:http:GET https://a.example/", expect: deny, reason: no_capability }
  - agent: writer
    capability: fs:write:./data/out/x
    scope: ./data/out/x
    at: 2000-01-01T00:00:00Z
    expect: allow
`;

  test("all as expected: exit code 0; no database is looked for or made", async () => {
    const cwd = folder({ "p.yaml": policy, "cases.yaml": cases });
    const outcome = await synapse({ cwd }, "policy", "test", "cases.yaml");
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout).toMatch(/4 passed, 0 missed\n$/);
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });

  test.each([
    [
      "a denial that was to be an allowance",
      "fs:read:./data/a/1.txt",
      "fs:read:./other",
      /3:5.*\n.*expected allow, got deny \(no_capability\)/,
    ],
    [
      "an allowance that was to be a denial",
      "fs:write:./data/a/1.txt",
      "fs:read:./data/z",
      /4:5.*\n.*expected deny \(no_binding_found\), got allow/,
    ],
    [
      "another reason",
      "reason: no_capability",
      "reason: rate_limited",
      /5:5.*\n.*expected deny \(rate_limited\), got deny \(no_capability\)/,
    ],
  ])("%s is a miss: exit code 1, and says where", async (_, from, to, said) => {
    const cwd = folder({ "p.yaml": policy, "cases.yaml": cases.replace(from, to) });
    const outcome = await synapse({ cwd }, "policy", "test", "cases.yaml");
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(said);
    expect(outcome.stdout).toMatch(/3 passed, 1 missed\n$/);
    const json = documents(await synapse({ cwd }, "policy", "test", "cases.yaml", "--json"));
    expect(json.filter((each) => each["passed"] === false)).toHaveLength(1);
    expect(json.at(-1)).toEqual({ passed: 3, missed: 1 });
  });

  test("parameters are looked at; durations do not run out; one case charges nothing for the next", async () => {
    const cwd = folder({
      "p.yaml": `version: 1
contracts: { c: { capability: crm:update, expires: 1h } }
agents:
  a: [{ capability: crm:update, constraints: { max_uses: 1, params: { type: object, required: [n] } } }]
`,
      "cases.yaml": `- { agent: a, capability: "crm:update:k", params: { n: 1 }, expect: allow }
- { agent: a, capability: "crm:update:k", params: { n: 2 }, at: 2099-01-01T00:00:00Z, expect: allow }
- { agent: a, capability: "crm:update:k", expect: deny, reason: constraint_violated }
`,
    });
    const outcome = await synapse({ cwd }, "policy", "test", "cases.yaml", "--policy", "p.yaml");
    expect(outcome.stdout).toMatch(/3 passed, 0 missed/);
    expect(outcome.code).toBe(0);
  });

  test("without a policy the database's is tested, and nothing is recorded in it", async () => {
    const cwd = await ran();
    writeFileSync(
      join(cwd, "c.yaml"),
      `- { agent: reader, capability: "fs:read:./data/a/1.txt", expect: allow }\n`,
    );
    const before = bytes(cwd);
    expect(await synapse({ cwd }, "policy", "test", "c.yaml")).toMatchObject({ code: 0 });
    expect(bytes(cwd)).toBe(before);
    expectRefusal(await synapse({ cwd }, "policy", "test", "c.yaml", "--db", "no.db"), 2, "missing_store");
  });

  test.each([
    [
      "an unknown key",
      `cases: [{ agent: a, capability: fs:read, expect: allow, reson: x }]`,
      /c\.yaml:1:\d+: unknown key `reson`/,
    ],
    [
      "no capability",
      `- { agent: a, capability: "fs:read:../x", expect: allow }`,
      /c\.yaml:1:36: invalid capability/,
    ],
    [
      "an action that is a star",
      `- { agent: a, capability: "fs:*:/x", expect: allow }`,
      /c\.yaml:1:31: invalid capability/,
    ],
    [
      "a reason of an allowance",
      `- { agent: a, capability: fs:read, expect: allow, reason: no_capability }`,
      /c\.yaml:1:51: `reason` says/,
    ],
    [
      "an unknown expectation",
      `- { agent: a, capability: fs:read, expect: maybe }`,
      /c\.yaml:1:\d+: `\[0\]\.expect`/,
    ],
    [
      "no time",
      `- { agent: a, capability: fs:read, at: noon, expect: allow }`,
      /c\.yaml:1:40: `noon` is not/,
    ],
    ["no cases", `cases: []`, /c\.yaml:1:\d+: `cases` must hold at least one case/],
  ])("%s is refused with its place", async (_, text, said) => {
    const cwd = folder({ "c.yaml": text, "p.yaml": policy });
    expectRefusal(
      await synapse({ cwd }, "policy", "test", "c.yaml", "--policy", "p.yaml"),
      2,
      "invalid_cases",
      said,
    );
  });
});

describe("what-if", () => {
  test("lists newly denied and newly allowed, grouped, with examples; appends nothing", async () => {
    const cwd = await ran();
    const before = bytes(cwd);
    writeFileSync(
      join(cwd, "new.yaml"),
      policy
        .replace("fs:read:./data/**", "fs:read:./data/a/1.txt")
        .replace("max_uses: 5 }", "max_uses: 5 }\n    - fs:read:./data/**"),
    );
    const outcome = await synapse({ cwd }, "what-if", "new.yaml", "--json");
    expect(outcome.code).toBe(0);
    const report = document(outcome);
    expect(report).toMatchObject({
      policy: "team",
      requests: 5,
      unchanged: 2,
      newly_denied: 2,
      newly_allowed: 1,
    });
    const groups = report["groups"] as {
      change: string;
      shape: string;
      count: number;
      examples: { event: string }[];
    }[];
    expect(groups.map(({ change, shape, count }) => [change, shape, count])).toEqual([
      ["newly_denied", `fs:read:${cwd}/data/a/*`, 2],
      ["newly_allowed", `fs:read:${cwd}/data/a/*`, 1],
    ]);
    const ids = (await events(cwd)).map(({ id }) => id);
    for (const { examples } of groups) for (const { event } of examples) expect(ids).toContain(event);
    const text = await synapse({ cwd }, "what-if", "new.yaml");
    expect(text.stdout).toMatch(
      /- newly denied +2× {2}reader .*no_capability|- newly denied +2× {2}reader .*no_binding_found/,
    );
    expect(text.stdout).toMatch(/of 5 recorded requests 2 newly denied, 1 newly allowed, 2 unchanged\n$/);
    expect(bytes(cwd)).toBe(before);
  });

  test("of a part: --run and --since", async () => {
    const cwd = await ran();
    await synapse({ cwd }, "check", "--agent", "reader", "--capability", `fs:read:${cwd}/data/q`);
    writeFileSync(join(cwd, "none.yaml"), "version: 1\nname: team\n");
    const count = async (...words: string[]) =>
      document(await synapse({ cwd }, "what-if", "none.yaml", "--json", ...words))["newly_denied"];
    const run = (await events(cwd)).find(({ event }) => event === "run_started")?.["run_id"] as string;
    expect(await count()).toBe(5);
    expect(await count("--run", run)).toBe(4);
    expect(await count("--since", "2099-01-01T00:00:00Z")).toBe(0);
    expect(await count("--since", "1h")).toBe(5);
    expectRefusal(await synapse({ cwd }, "what-if", "none.yaml", "--run", "run_x"), 2, "not_found");
    expectRefusal(await synapse({ cwd }, "what-if", "none.yaml", "--since", "yesterday"), 2, "usage");
  });

  test("a check is asked again with the scope and the parameters that it had", async () => {
    const cwd = await ran();
    const params = JSON.stringify({ n: 7 });
    await synapse({ cwd }, "issue", "--capability", "crm:update", "--by", "x");
    await synapse(
      { cwd },
      "bind",
      "--agent",
      "c",
      "--capability",
      "crm:update",
      "--by",
      "x",
      "--constraints",
      '{"when":"params.n > 5"}',
    );
    expect(
      await synapse({ cwd }, "check", "--agent", "c", "--capability", "crm:update:k", "--params", params),
    ).toMatchObject({ code: 0 });
    expect(
      await synapse(
        { cwd },
        "check",
        "--agent",
        "reader",
        "--capability",
        "fs:read",
        "--scope",
        `${cwd}/data/a`,
      ),
    ).toMatchObject({ code: 0 });
    expect(document(await synapse({ cwd }, "what-if", "p.yaml", "--json"))).toMatchObject({
      requests: 7,
      unchanged: 7,
      unavailable: 0,
      unrecorded: 0,
    });
  });

  test("erased parameters are unavailable where a constraint would have to see them, and nowhere else", async () => {
    const cwd = await ran();
    const put = (await events(cwd)).find(
      (each) => each["step_id"] === "put" && each["event"] === "step_execution_requested",
    );
    const ref = put?.["params_commitment"] as string;
    expect(await synapse({ cwd }, "audit", "erase", ref, "--by", "x", "--why", "gdpr")).toMatchObject({
      code: 0,
    });
    expect(document(await synapse({ cwd }, "what-if", "p.yaml", "--json"))).toMatchObject({
      unavailable: 0,
      unchanged: 5,
    });
    writeFileSync(join(cwd, "new.yaml"), policy.replace("max_uses: 5", 'when: "params.path != 1"'));
    const outcome = await synapse({ cwd }, "what-if", "new.yaml", "--json");
    expect(document(outcome)).toMatchObject({ unavailable: 1, newly_denied: 0, unchanged: 4 });
  });

  test("a policy that could not be applied is a mistake in the file", async () => {
    const cwd = await ran();
    writeFileSync(join(cwd, "new.yaml"), "version: 1\nagents:\n  a: [net:http:GET a.example]\n");
    expectRefusal(await synapse({ cwd }, "what-if", "new.yaml"), 2, "invalid_policy", /new\.yaml:3:7/);
    expectRefusal(await synapse({ cwd }, "what-if", "p.yaml", "--db", "no.db"), 2, "missing_store");
  });
});

describe("suggest", () => {
  test("a file that stands alone: applied to an empty database it carries the same run", async () => {
    const cwd = await ran();
    const before = bytes(cwd);
    const outcome = await synapse({ cwd }, "suggest", "-o", "least.yaml");
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toBe("note: under it alone, 4 of 4 authorised requests are allowed again\n");
    expect(bytes(cwd)).toBe(before);
    const text = readFileSync(join(cwd, "least.yaml"), "utf8");
    expect(text).toContain("# generalised from 3 that were used");
    expect(statSync(join(cwd, "least.yaml")).mode & 0o777).toBe(0o600);
    const again = await synapse(
      { cwd },
      "run",
      "w.yaml",
      "--policy",
      "least.yaml",
      "--db",
      "fresh.db",
      "--json",
    );
    expect(again.code).toBe(0);
    const steps = documents(again).at(-1)?.["steps"] as { step_id: string; status: string }[];
    expect(steps.map(({ step_id, status }) => `${step_id} ${status}`).sort()).toEqual([
      "one completed",
      "put completed",
      "steal denied",
      "three completed",
      "two completed",
    ]);
    // Nothing that was there is widened by it, and nobody's file is overwritten.
    expectRefusal(await synapse({ cwd }, "suggest", "-o", "p.yaml"), 2, "file_exists");
  });

  test("on standard output it is a policy and nothing else; with --json the same text", async () => {
    const cwd = await ran();
    const outcome = await synapse({ cwd }, "suggest", "--agent", "writer");
    writeFileSync(join(cwd, "s.yaml"), outcome.stdout);
    expect(await synapse({ cwd }, "policy", "diff", "s.yaml", "s.yaml")).toMatchObject({
      stdout: "no differences\n",
    });
    const json = document(await synapse({ cwd }, "suggest", "--agent", "writer", "--json"));
    expect(json["text"]).toBe(outcome.stdout);
    expect(json["grants"]).toEqual([
      {
        agent: "writer",
        capability: `fs:write:${cwd}/data/out/x.txt`,
        uses: 1,
        generalised_from: [],
        touched: [],
      },
    ]);
  });

  test("never under the name of a policy that is in force, which applying it would end", async () => {
    const cwd = await ran();
    expect(document(await synapse({ cwd }, "suggest", "--json"))["name"]).toBe("suggested");
    await synapse({ cwd }, "suggest", "-o", "s.yaml");
    await synapse({ cwd }, "policy", "apply", "s.yaml");
    expect(document(await synapse({ cwd }, "suggest", "--json"))["name"]).toBe("suggested-2");
  });

  test("of nothing is refused", async () => {
    const cwd = await ran();
    expectRefusal(await synapse({ cwd }, "suggest", "--agent", "nobody"), 2, "nothing_observed");
    expectRefusal(await synapse({ cwd }, "suggest", "--run", "run_x"), 2, "not_found");
    expectRefusal(await synapse({ cwd }, "suggest", "--max-wildcards", "-1"), 2, "usage");
  });
});

describe("explain", () => {
  const bin = resolve("dist/cli/main.js");

  /** Runs lines as a person would paste them, by a real shell. */
  function paste(cwd: string, lines: unknown): void {
    const script = (lines as string[]).join("\n");
    execFileSync("sh", ["-euc", `synapse() { "$NODE" "$BIN" "$@"; }\n${script}`], {
      cwd,
      env: { NODE: process.execPath, BIN: bin, PATH: process.env["PATH"] ?? "", USER: "ada o'x" },
      encoding: "utf8",
    });
  }
  const env = { USER: "ada o'x" };

  beforeAll(() => expect(existsSync(bin), "the tests run the built command: npm run build").toBe(true));

  /** Denied as expected; then the very lines that were printed are run, and it is allowed. */
  async function remedied(cwd: string, reason: string, ...asked: string[]): Promise<Document> {
    const told = document(await synapse({ cwd, env }, "explain", ...asked, "--json"));
    expect(told).toMatchObject({ allowed: false, reason, allowed_now: false });
    paste(cwd, told["commands"]);
    expect(document(await synapse({ cwd, env }, "explain", ...asked, "--json"))["allowed_now"]).toBe(true);
    return told;
  }

  const ask = (agent: string, capability: string): string[] => ["--agent", agent, "--capability", capability];

  test("no contract: issue and bind", async () => {
    const cwd = await ran();
    const told = await remedied(cwd, "no_capability", ...ask("writer", "fs:read:/etc/a b'c"));
    expect(told["commands"]).toEqual([
      `synapse issue --capability 'fs:read:/etc/a b'\\''c' --to writer --by 'ada o'\\''x'`,
      `synapse bind --agent writer --capability 'fs:read:/etc/a b'\\''c' --by 'ada o'\\''x'`,
    ]);
    const check = await synapse({ cwd }, "check", ...ask("writer", "fs:read:/etc/a b'c"));
    expect(check.code).toBe(0);
  });

  test("a contract, but no binding: the exact bind, and the binding that came nearest", async () => {
    const cwd = await ran();
    const told = await remedied(cwd, "no_binding_found", ...ask("writer", `fs:write:${cwd}/data/other`));
    expect(told["commands"]).toHaveLength(1);
    const [requirement] = told["requirements"] as { lacks: string; chain: Document[] }[];
    expect(requirement?.lacks).toMatch(
      /`fs:write:.*\/data\/out\/\*\*` does not cover `fs:write:.*\/data\/other`/,
    );
    expect(requirement?.chain.map(({ kind, policy }) => [kind, policy])).toEqual([
      ["contract", "team"],
      ["binding", "team"],
    ]);
  });

  test("a contract that itself refuses: a contract of its own", async () => {
    const cwd = await ran();
    await synapse(
      { cwd },
      "issue",
      "--capability",
      "crm:update:k",
      "--by",
      "x",
      "--constraints",
      '{"max_uses": 0}',
    );
    await synapse({ cwd }, "bind", "--agent", "c", "--capability", "crm:update:k", "--by", "x");
    await remedied(cwd, "uses_exhausted", ...ask("c", "crm:update:k"));
    expect(await synapse({ cwd }, "check", ...ask("c", "crm:update:k"))).toMatchObject({ code: 0 });
  });

  test("suspended: the suspension ends, and nothing is granted", async () => {
    const cwd = await ran();
    await synapse({ cwd }, "suspend", "--agent", "reader", "--by", "x");
    const told = await remedied(cwd, "agent_suspended", ...ask("reader", `fs:read:${cwd}/data/z`));
    expect(told["commands"]).toEqual(["synapse unsuspend --agent reader --by 'ada o'\\''x'"]);
  });

  test.each([["revoked", "binding_revoked", (id: string) => ["unbind", id, "--by", "x"]]])(
    "a binding that was %s",
    async (_, reason, words) => {
      const cwd = await ran();
      const [binding] = documents(await synapse({ cwd }, "bindings", "--agent", "reader", "--json"));
      await synapse({ cwd }, ...words(binding?.["binding_id"] as string));
      await remedied(cwd, reason, ...ask("reader", `fs:read:${cwd}/data/z`));
    },
  );

  test("a program gets exactly the arguments that were asked for", async () => {
    const cwd = await ran();
    const asked = [...ask("dev", "os:process:git"), "--params", '{"program":"git","args":["it\'s","$HOME"]}'];
    const told = await remedied(cwd, "no_binding_found", ...asked);
    expect((told["commands"] as string[]).join()).not.toContain("unconfined");
    const other = [...ask("dev", "os:process:git"), "--params", '{"program":"git","args":["push"]}'];
    expect(await synapse({ cwd }, "check", ...other)).toMatchObject({ code: 3 });
    const bare = await synapse({ cwd, env }, "explain", ...ask("dev2", "os:process:git"));
    expect(bare.stderr).toMatch(/unconfined lets the program do all that you can/);
  });

  test("an event: the policy of its moment; its request and its effects lead to the same", async () => {
    const cwd = await ran();
    const all = await events(cwd);
    const of = (step: string, type: string) =>
      all.find((each) => each["step_id"] === step && each["event"] === type)?.["id"] as string;
    await synapse({ cwd }, "policy", "apply", "p.yaml");
    const denied = document(
      await synapse({ cwd, env }, "explain", of("steal", "step_execution_denied"), "--json"),
    );
    expect(denied).toMatchObject({
      agent: "writer",
      allowed: false,
      reason: "no_binding_found",
      event: of("steal", "step_execution_denied"),
    });
    paste(cwd, denied["commands"]);
    const after = document(
      await synapse({ cwd, env }, "explain", of("steal", "step_execution_denied"), "--json"),
    );
    // What it was is what it was; what it would be is another matter.
    expect(after).toMatchObject({
      allowed: false,
      reason: "no_binding_found",
      allowed_now: true,
      commands: [],
    });

    const decision = of("one", "step_execution_authorized");
    for (const type of ["step_execution_requested", "effect_performed", "step_execution_completed"]) {
      const told = document(await synapse({ cwd }, "explain", of("one", type), "--json"));
      expect(told).toMatchObject({ allowed: true, event: decision });
    }
    const authorized = all.find(({ id }) => id === decision);
    const told = document(await synapse({ cwd }, "explain", decision, "--json"));
    const [requirement] = told["requirements"] as { chain: Document[] }[];
    expect(requirement?.chain.at(-1)?.["id"]).toBe(authorized?.["binding_id"]);
  });

  test("--at: the policy as it was, before it was revoked", async () => {
    const cwd = await ran();
    const [binding] = documents(await synapse({ cwd }, "bindings", "--agent", "reader", "--json"));
    const at = (await events(cwd)).at(-1)?.["timestamp"] as string;
    await new Promise((resolve) => setTimeout(resolve, 5));
    await synapse({ cwd }, "unbind", binding?.["binding_id"] as string, "--by", "x");
    const asked = ask("reader", `fs:read:${cwd}/data/z`);
    const now = document(await synapse({ cwd }, "explain", ...asked, "--json"));
    expect(now).toMatchObject({ allowed: false, reason: "binding_revoked" });
    const then = document(await synapse({ cwd }, "explain", ...asked, "--at", at, "--json"));
    expect(then).toMatchObject({ allowed: true, reason: null });
    const before = document(
      await synapse({ cwd }, "explain", ...asked, "--at", "2001-01-01T00:00:00Z", "--json"),
    );
    expect(before).toMatchObject({ allowed: false, reason: "no_capability" });
  });

  test("reads only", async () => {
    const cwd = await ran();
    const before = bytes(cwd);
    await synapse({ cwd }, "explain", ...ask("x", "fs:read:/y"));
    expect(bytes(cwd)).toBe(before);
  });

  test.each([
    ["nothing", [], "usage"],
    ["half a question", ["--agent", "a"], "usage"],
    ["both", ["evt_1", "--agent", "a", "--capability", "fs:read"], "usage"],
    ["an unknown event", ["evt_1"], "not_found"],
    ["no capability", ["--agent", "a", "--capability", "fs"], "invalid_capability"],
  ])("%s is refused", async (_, words, code) => {
    expectRefusal(await synapse({ cwd: await ran() }, "explain", ...words), 2, code);
  });

  test("erased parameters: told all the same where no constraint looks at them, refused where one does", async () => {
    const cwd = await ran();
    await synapse({ cwd }, "issue", "--capability", "crm:update", "--by", "x");
    await synapse(
      { cwd },
      ...["bind", "--agent", "c", "--capability", "crm:update", "--by", "x"],
      ...["--constraints", '{"when":"params.n > 5"}'],
    );
    for (const agent of ["c", "reader"])
      await synapse({ cwd }, "check", ...ask(agent, "crm:update:k"), "--params", '{"n":7}');
    const checks = (await events(cwd)).slice(-2);
    for (const each of checks)
      await synapse(
        { cwd },
        "audit",
        "erase",
        String(each["params_commitment"]),
        "--by",
        "x",
        "--why",
        "gdpr",
      );
    const [seen, unseen] = checks.map((each) => each["id"] as string);
    expectRefusal(await synapse({ cwd }, "explain", seen ?? ""), 2, "record_erased");
    const told = document(await synapse({ cwd }, "explain", unseen ?? "", "--json"));
    expect(told).toMatchObject({ agent: "reader", allowed: false, reason: "no_binding_found" });
  });

  test("an event that decides nothing is refused", async () => {
    const cwd = await ran();
    const id = (await events(cwd)).find(({ event }) => event === "policy_applied")?.["id"] as string;
    expectRefusal(await synapse({ cwd }, "explain", id), 2, "nothing_decided", /policy_applied/);
  });
});
