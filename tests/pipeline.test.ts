import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  AuditMechanism,
  BindingManager,
  builtinActions,
  CapabilityManager,
  createPipeline,
  defineAction,
  openStore,
  PermissionEnforcer,
  SecureExecutionContext,
  StoreError,
} from "../src/index.js";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-pipeline-")));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const context = (action: SecureExecutionContext["action"], requiredCapability: string, actionParams = {}) =>
  new SecureExecutionContext({
    workflowId: "wf",
    stepId: "step",
    agentId: "agent",
    requiredCapability,
    auditReference: "a",
    traceId: "t",
    action,
    actionParams,
  });

test("a database is made where it is asked for, private to its owner, and refused where it may not be made", async () => {
  const database = join(folder, "deep", "er", "log.db");
  await expect(createPipeline({ database, create: false })).rejects.toMatchObject({
    name: "StoreError",
    code: "missing_store",
  });
  expect(readdirSync(folder)).toEqual([]);
  const pipeline = await createPipeline({ database });
  await pipeline.audit.emitEvent("x_note");
  expect(statSync(database).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "deep")).mode & 0o777).toBe(0o700);
  await pipeline.close();
});

test("something that is no database of ours is left alone", async () => {
  const database = join(folder, "notes.txt");
  writeFileSync(database, "x".repeat(4_096));
  const error: unknown = await createPipeline({ database }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StoreError);
  expect(statSync(database).size).toBe(4_096);
});

test("a name that is taken is a TypeError, before a database is made", async () => {
  const fake = defineAction({ name: "fs.read", requires: () => "job:run", run: () => "not a file" });
  const database = join(folder, "log.db");
  await expect(createPipeline({ database, actions: [fake] })).rejects.toThrow(TypeError);
  await expect(createPipeline({ database, actions: [{ ...fake } as never] })).rejects.toThrow(TypeError);
  expect(existsSync(database)).toBe(false);
});

test("actions of one's own stand beside the built-in ones", async () => {
  const own = defineAction({ name: "crm.update", requires: () => "crm:update", run: () => 1 });
  const pipeline = await createPipeline({ database: ":memory:", actions: [own] });
  expect(pipeline.actions.get("crm.update")).toBe(own);
  expect(pipeline.actions.get("fs.read")).toBe(builtinActions.fs.read);
  expect(pipeline.actions.names()).toHaveLength(16);
  await pipeline.close();
});

test("the working folder is a real one, and missing ones are refused", async () => {
  await expect(
    createPipeline({ database: ":memory:", workingFolder: join(folder, "missing") }),
  ).rejects.toThrow(/ENOENT/);
  const pipeline = await createPipeline({ database: ":memory:", workingFolder: `${folder}/./` });
  expect(pipeline.workingFolder).toBe(folder);
  await pipeline.close();
});

test("closing records what is queued, can be done twice, and ends everything", async () => {
  const database = join(folder, "log.db");
  const pipeline = await createPipeline({ database });
  const queued = Array.from({ length: 20 }, () => pipeline.audit.emitEvent("x_note"));
  await Promise.all([pipeline.close(), pipeline.close()]);
  await Promise.all(queued);
  await expect(pipeline.audit.emitEvent("x_note")).rejects.toMatchObject({ code: "audit_unavailable" });
  await expect(
    pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "operator" }),
  ).rejects.toMatchObject({ code: "audit_unavailable" });
  const again = await createPipeline({ database, create: false });
  expect(await again.audit.getEvents({ event: "x_note" })).toHaveLength(20);
  await again.close();
});

test("authority survives a restart, and so does its end", async () => {
  const database = join(folder, "log.db");
  const action = defineAction({ name: "job.run", requires: () => "job:run:a", run: () => 1 });
  const first = await createPipeline({ database });
  await first.capabilityManager.issue({
    capability: "job:run:a",
    issuedBy: "operator",
    constraints: { max_uses: 2 },
  });
  const kept = await first.bindingManager.bind({
    agentId: "agent",
    capability: "job:run:a",
    createdBy: "operator",
  });
  await first.executor.executeStep(context(action, "job:run:a"));
  await first.close();
  const second = await createPipeline({ database });
  const execute = () => second.executor.executeStep(context(action, "job:run:a"));
  expect(await execute()).toMatchObject({ status: "completed", bindingId: kept.id });
  expect(await execute()).toMatchObject({ status: "denied", reason: "uses_exhausted" });
  await second.bindingManager.unbind(kept.id);
  await second.close();
  const third = await createPipeline({ database });
  expect(await third.executor.executeStep(context(action, "job:run:a"))).toMatchObject({
    reason: "binding_revoked",
  });
  await third.close();
});

test("no step reaches the files of the store, whatever it is bound to (H2)", async () => {
  const database = join(folder, "log.db");
  const protectedFile = join(folder, "policy.yaml");
  writeFileSync(protectedFile, "policy");
  const pipeline = await createPipeline({ database, workingFolder: folder, protectedFiles: [protectedFile] });
  for (const capability of ["fs:*:/**"]) {
    await pipeline.capabilityManager.issue({ capability, issuedBy: "operator" });
    await pipeline.bindingManager.bind({ agentId: "agent", capability, createdBy: "operator" });
  }
  for (const path of [database, `${database}-wal`, protectedFile]) {
    const read = context(builtinActions.fs.read, `fs:read:${path}`, { path });
    expect(await pipeline.executor.executeStep(read)).toMatchObject({
      status: "failed",
      error: { code: "protected_file" },
    });
    const write = context(builtinActions.fs.write, `fs:write:${path}`, { path, content: "x" });
    expect(await pipeline.executor.executeStep(write)).toMatchObject({ error: { code: "protected_file" } });
    const remove = context(builtinActions.fs.delete, `fs:delete:${path}`, { path });
    expect(await pipeline.executor.executeStep(remove)).toMatchObject({ error: { code: "protected_file" } });
  }
  expect(existsSync(protectedFile)).toBe(true);
  await pipeline.close();
});

test("secrets and the program path are the operator's", async () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "hello"), "#!/bin/sh\necho hello from the operator\n");
  chmodSync(join(bin, "hello"), 0o755);
  const pipeline = await createPipeline({ database: ":memory:", workingFolder: folder, programPath: [bin] });
  const constraints = { params: { type: "object", properties: { args: { const: [] } } } };
  await pipeline.capabilityManager.issue({ capability: "os:process:*", issuedBy: "operator" });
  await pipeline.capabilityManager.issue({ capability: `fs:list:${folder}`, issuedBy: "operator" });
  await pipeline.bindingManager.bind({
    agentId: "agent",
    capability: "os:process:*",
    createdBy: "operator",
    constraints,
  });
  await pipeline.bindingManager.bind({
    agentId: "agent",
    capability: `fs:list:${folder}`,
    createdBy: "operator",
  });
  const run = (program: string) =>
    pipeline.executor.executeStep(context(builtinActions.process.run, `os:process:${program}`, { program }));
  expect(await run("hello")).toMatchObject({ output: { exit_code: 0, stdout: "hello from the operator\n" } });
  // `true` is on the usual path, which this one replaces.
  expect(await run("true")).toMatchObject({ status: "failed", error: { code: "program_not_found" } });
  await pipeline.close();
});

test("parts can be wired by hand, and know when they are not of one log", async () => {
  const store = openStore({ database: join(folder, "log.db") });
  const audit = new AuditMechanism({ store });
  const manager = new CapabilityManager({ audit });
  const bindings = new BindingManager({ audit });
  const enforcer = new PermissionEnforcer({ audit });
  await manager.issue({ capability: "job:run:a", issuedBy: "operator" });
  await bindings.bind({ agentId: "agent", capability: "job:run:a", createdBy: "operator" });
  expect(await enforcer.enforce({ agentId: "agent", capability: "job:run:a" })).toMatchObject({
    allowed: true,
  });
  for (const part of [audit, manager, bindings, enforcer]) expect(Object.isFrozen(part)).toBe(true);
  expect(() => new BindingManager({ audit: {} as AuditMechanism })).toThrow(TypeError);
  expect(() => new AuditMechanism({ store: {} as typeof store })).toThrow(TypeError);
  await audit.close();
  store.close();
});

test("identifiers and times come from where they are told to", async () => {
  let n = 0;
  const ids = { next: (kind: string) => `${kind}_${++n}` };
  const clock = { now: () => Date.parse("2026-02-21T12:00:00Z") };
  const pipeline = await createPipeline({ database: ":memory:", ids, clock });
  const contract = await pipeline.capabilityManager.issue({ capability: "job:run", issuedBy: "operator" });
  expect(contract).toMatchObject({ id: "ctr_1", createdAt: "2026-02-21T12:00:00.000Z" });
  await pipeline.close();
});
