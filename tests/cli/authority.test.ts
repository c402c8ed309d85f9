import { describe, expect, test } from "vitest";
import { type Document, document, documents, expectRefusal, folder, synapse } from "./invoke.js";

const by = ["--by", "ops"];

async function issue(cwd: string, ...more: string[]): Promise<Document> {
  return document(
    await synapse({ cwd }, "issue", "--capability", "fs:read:/srv/**", ...more, ...by, "--json"),
  );
}

async function bind(cwd: string, ...more: string[]): Promise<Document> {
  const words = ["bind", "--agent", "reader", "--capability", "fs:read:/srv/a/**", ...more, ...by, "--json"];
  return document(await synapse({ cwd }, ...words));
}

async function check(cwd: string, path: string, ...more: string[]) {
  return synapse({ cwd }, "check", "--agent", "reader", "--capability", `fs:read:${path}`, ...more, "--json");
}

describe("issue and bind", () => {
  test("a contract is printed with every member it has", async () => {
    const cwd = folder();
    const contract = await issue(cwd, "--to", "read*", "--expires", "2999-01-01T00:00:00Z", "--delegable");
    expect(contract).toEqual({
      contract_id: expect.stringMatching(/^ctr_/) as unknown,
      capability: "fs:read:/srv/**",
      scope: "/srv/**",
      constraints: {},
      issued_to: "read*",
      issued_by: "ops",
      created_at: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      expires_at: "2999-01-01T00:00:00.000Z",
      is_active: true,
      delegable: true,
      protocol_version: "1.0",
    });
    expect(documents(await synapse({ cwd }, "contracts", "--json"))).toEqual([contract]);
  });

  test("a binding is printed with every member it has", async () => {
    const cwd = folder();
    const { contract_id } = await issue(cwd);
    const binding = await bind(cwd, "--scope", "/srv/a/b", "--constraints", '{"max_uses":3}');
    expect(binding).toEqual({
      binding_id: expect.stringMatching(/^bind_/) as unknown,
      agent_id: "reader",
      capability: "fs:read:/srv/a/**",
      scope: "/srv/a/b",
      constraints: { max_uses: 3 },
      created_at: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
      expires_at: null,
      is_active: true,
      created_by: "ops",
      contract_id,
      parent_id: null,
      delegable: false,
      uses: 0,
      protocol_version: "1.0",
    });
    expect(documents(await synapse({ cwd }, "bindings", "--json"))).toEqual([binding]);
  });

  test("people are told the id, and that a contract alone lets nobody act", async () => {
    const cwd = folder();
    const issued = await synapse({ cwd }, "issue", "--capability", "fs:read:/srv/**", ...by);
    expect(issued.stdout).toMatch(/^issued ctr_\S+: fs:read:\/srv\/\*\* to \*\n.*synapse bind/);
    const bound = await synapse(
      { cwd },
      "bind",
      "--agent",
      "reader",
      "--capability",
      "fs:read:/srv/a",
      ...by,
    );
    expect(bound.stdout).toMatch(/^bound bind_\S+: fs:read:\/srv\/a to reader, under ctr_/);
  });

  test("what no contract covers cannot be bound: denied, exit code 3, with the command that would help", async () => {
    const cwd = folder();
    await issue(cwd);
    const outcome = await synapse(
      { cwd },
      "bind",
      "--agent",
      "reader",
      "--capability",
      "fs:read:/etc/passwd",
      ...by,
    );
    expectRefusal(outcome, 3, "no_authority", /\nhint: .*synapse issue --capability 'fs:read:\/etc\/passwd'/);
  });

  test("a contract that does not exist is a mistake, exit code 2", async () => {
    const cwd = folder();
    const words = [
      "bind",
      "--agent",
      "reader",
      "--capability",
      "fs:read:/srv/a",
      "--contract",
      "ctr_none",
      ...by,
    ];
    expectRefusal(await synapse({ cwd }, ...words), 2, "not_found", /`ctr_none`/);
  });

  test("a part of a delegable binding can be passed on, and says under what it stands", async () => {
    const cwd = folder();
    await issue(cwd, "--delegable");
    const parent = await bind(cwd, "--delegable");
    const child = await bind(cwd, "--agent", "deputy", "--parent", String(parent["binding_id"]));
    expect(child).toMatchObject({ agent_id: "deputy", contract_id: null, parent_id: parent["binding_id"] });
  });

  test("what is not delegable is not passed on: exit code 3", async () => {
    const cwd = folder();
    await issue(cwd);
    const parent = String((await bind(cwd))["binding_id"]);
    const words = [
      "bind",
      "--agent",
      "deputy",
      "--capability",
      "fs:read:/srv/a/x",
      "--parent",
      parent,
      ...by,
    ];
    expectRefusal(await synapse({ cwd }, ...words), 3, "no_authority", /not delegable/);
  });
});

describe("check", () => {
  test("allowed: exit code 0 and the binding; denied: exit code 3 and why; both on record", async () => {
    const cwd = folder();
    await issue(cwd);
    const { binding_id } = await bind(cwd);
    const yes = await check(cwd, "/srv/a/x");
    expect(yes.code).toBe(0);
    expect(document(yes)).toMatchObject({ allowed: true, binding_id, reason: null });
    const no = await check(cwd, "/etc/passwd");
    expect(no).toMatchObject({ code: 3, stderr: "" });
    expect(document(no)).toEqual({
      allowed: false,
      binding_id: null,
      reason: "no_capability",
      explanation: expect.stringContaining("/etc/passwd") as unknown,
    });
    const events = documents(await synapse({ cwd }, "audit", "list", "--json")).map(({ event }) => event);
    expect(events.slice(-2)).toEqual(["capability_checked", "capability_denied"]);
  });

  test("a scope and parameters are part of the question", async () => {
    const cwd = folder();
    await issue(cwd);
    await bind(cwd, "--constraints", '{"params":{"properties":{"n":{"maximum":3}},"required":["n"]}}');
    expect((await check(cwd, "/srv/a/**", "--scope", "/srv/a/b", "--params", '{"n":3}')).code).toBe(0);
    const outcome = await check(cwd, "/srv/a/**", "--scope", "/srv/a/b", "--params", '{"n":4}');
    expect(outcome.code).toBe(3);
    expect(document(outcome)).toMatchObject({ reason: "constraint_violated" });
  });

  test("people see the verdict as a word, and the reason with its explanation", async () => {
    const cwd = folder();
    await issue(cwd);
    await bind(cwd);
    const yes = await synapse({ cwd }, "check", "--agent", "reader", "--capability", "fs:read:/srv/a/x");
    expect(yes.stdout).toMatch(/^✓ allowed {2}reader {2}fs:read:\/srv\/a\/x\n {2}allowed by binding bind_/);
    const no = await synapse({ cwd }, "check", "--agent", "stranger", "--capability", "fs:read:/srv/a/x");
    expect(no.stdout).toMatch(/^⊘ denied {2}stranger {2}fs:read:\/srv\/a\/x\n {2}no_binding_found: /);
  });
});

describe("unbind, revoke, suspend", () => {
  test("an unbound binding authorises nothing any more; saying it twice changes nothing", async () => {
    const cwd = folder();
    await issue(cwd);
    const id = String((await bind(cwd))["binding_id"]);
    const unbind = () => synapse({ cwd }, "unbind", id, ...by, "--json");
    expect(document(await unbind())).toEqual({ revoked: true, binding_id: id, changed: true });
    expect(document(await check(cwd, "/srv/a/x"))).toMatchObject({
      allowed: false,
      reason: "binding_revoked",
    });
    const again = await unbind();
    expect(again.code).toBe(0);
    expect(document(again)).toEqual({ revoked: true, binding_id: id, changed: false });
    expect((await synapse({ cwd }, "unbind", id, ...by)).stdout).toBe(`${id} was revoked before\n`);
    expect(
      documents(await synapse({ cwd }, "audit", "list", "--event", "binding_revoked", "--json")),
    ).toHaveLength(1);
  });

  test("a revoked contract takes its bindings with it", async () => {
    const cwd = folder();
    const id = String((await issue(cwd))["contract_id"]);
    await bind(cwd);
    expect(document(await synapse({ cwd }, "revoke", id, ...by, "--json"))).toEqual({
      revoked: true,
      contract_id: id,
      changed: true,
    });
    expect(document(await check(cwd, "/srv/a/x"))).toMatchObject({ reason: "contract_revoked" });
    expect(documents(await synapse({ cwd }, "bindings", "--json"))).toEqual([]);
    expect((await synapse({ cwd }, "revoke", id, ...by)).stdout).toBe(`${id} was revoked before\n`);
  });

  test.each([["unbind"], ["revoke"]])("%s of something that does not exist: exit code 2", async (command) => {
    const cwd = folder();
    await issue(cwd);
    expectRefusal(
      await synapse({ cwd }, command, "nothing_1", ...by),
      2,
      "not_found",
      /`nothing_1`\nhint: .*--all/,
    );
  });

  test("people are told what was revoked", async () => {
    const cwd = folder();
    const contract = String((await issue(cwd))["contract_id"]);
    const binding = String((await bind(cwd))["binding_id"]);
    expect((await synapse({ cwd }, "unbind", binding, ...by)).stdout).toContain(
      `revoked ${binding} (reader, fs:read:/srv/a/**)`,
    );
    expect((await synapse({ cwd }, "revoke", contract, ...by)).stdout).toContain(
      `revoked ${contract} (fs:read:/srv/**)`,
    );
  });

  test("a suspended agent is denied everything until the suspension ends, and the reason is on record", async () => {
    const cwd = folder();
    await issue(cwd);
    await bind(cwd);
    const suspend = ["suspend", "--agent", "reader", ...by, "--reason", "--json is said in a reason"];
    expect((await synapse({ cwd }, ...suspend)).stdout).toMatch(/^suspended reader/);
    expect(document(await check(cwd, "/srv/a/x"))).toMatchObject({ reason: "agent_suspended" });
    expect((await synapse({ cwd }, ...suspend)).stdout).toBe("reader was suspended before\n");
    const [event] = documents(
      await synapse({ cwd }, "audit", "list", "--event", "agent_suspended", "--json"),
    );
    expect(event).toMatchObject({ by: "ops", reason: "--json is said in a reason" });
    const unsuspend = ["unsuspend", "--agent", "reader", ...by];
    expect(document(await synapse({ cwd }, ...unsuspend, "--json"))).toEqual({
      suspended: false,
      agent_id: "reader",
      changed: true,
    });
    expect(document(await check(cwd, "/srv/a/x"))).toMatchObject({ allowed: true });
    expect((await synapse({ cwd }, ...unsuspend)).stdout).toBe("reader was not suspended\n");
    expect(document(await synapse({ cwd }, ...suspend, "--json"))).toEqual({
      suspended: true,
      agent_id: "reader",
      changed: true,
    });
  });
});

describe("bindings and contracts", () => {
  test("only what is in force, unless --all; only one agent's, with --agent", async () => {
    const cwd = folder();
    await issue(cwd);
    const dead = String((await bind(cwd))["binding_id"]);
    const alive = String((await bind(cwd))["binding_id"]);
    const other = String((await bind(cwd, "--agent", "other"))["binding_id"]);
    await synapse({ cwd }, "unbind", dead, ...by);
    const ids = async (...more: string[]) =>
      documents(await synapse({ cwd }, "bindings", ...more, "--json")).map(({ binding_id }) => binding_id);
    expect(await ids()).toEqual([alive, other]);
    expect(await ids("--all")).toEqual([dead, alive, other]);
    expect(await ids("--agent", "reader")).toEqual([alive]);
    expect(await ids("--agent", "reader", "--all")).toEqual([dead, alive]);
    expect(await ids("--agent", "nobody")).toEqual([]);
  });

  test("tables have a heading and columns that begin under each other", async () => {
    const cwd = folder();
    await issue(cwd, "--to", "reader");
    await bind(cwd);
    for (const [command, column] of [
      ["contracts", "fs:read:/srv/**"],
      ["bindings", "fs:read:/srv/a/**"],
    ] as const) {
      const [heading = "", row = ""] = (await synapse({ cwd }, command)).stdout.split("\n");
      expect(row).toMatch(/^✓ active {2}/);
      expect(row.indexOf(column)).toBe(heading.indexOf("CAPABILITY"));
    }
  });

  test("where there is nothing, people get a sentence and programs get nothing", async () => {
    const cwd = folder();
    const { contract_id } = await issue(cwd);
    expect((await synapse({ cwd }, "bindings")).stdout).toBe("no bindings are in force\n");
    expect((await synapse({ cwd }, "bindings", "--agent", "a")).stdout).toBe("a has no bindings in force\n");
    expect((await synapse({ cwd }, "bindings", "--json")).stdout).toBe("");
    await synapse({ cwd }, "revoke", String(contract_id), ...by);
    expect((await synapse({ cwd }, "contracts")).stdout).toBe("no contracts are in force\n");
    expect((await synapse({ cwd }, "contracts", "--all")).stdout).toMatch(/^– ended/m);
  });
});
