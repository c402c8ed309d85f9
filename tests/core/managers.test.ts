import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  CapabilitySyntaxError,
  InvalidConstraintError,
  NoAuthorityError,
  NotFoundError,
  type Pipeline,
} from "../../src/index.js";
import { job, openWorld, type World } from "./world.js";

let world: World;
let pipeline: Pipeline;
beforeEach(async () => {
  world = await openWorld();
  ({ pipeline } = world);
});
afterEach(() => world.close());

const issue = (capability: string, more: object = {}) =>
  pipeline.capabilityManager.issue({ capability, issuedBy: "operator", ...more });
const bind = (agentId: string, capability: string, more: object = {}) =>
  pipeline.bindingManager.bind({ agentId, capability, createdBy: "operator", ...more });
const thrown = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    (value) => `not refused: ${JSON.stringify(value)}`,
    (error: unknown) => error,
  );
const names = () => world.committed().map(({ event }) => event);

describe("contracts (A1)", () => {
  test("are frozen documents with all the fields of the specification", async () => {
    const contract = await issue("job:run:**", {
      issuedTo: "team-*",
      expiresAt: "1h",
      delegable: true,
      constraints: { max_uses: 3 },
    });
    expect(contract).toMatchObject({
      capability: "job:run:**",
      scope: "**",
      constraints: { max_uses: 3 },
      issuedTo: "team-*",
      issuedBy: "operator",
      delegable: true,
      isActive: true,
      protocolVersion: "1.0",
    });
    expect(Date.parse(contract.expiresAt ?? "") - Date.parse(contract.createdAt)).toBe(3_600_000);
    expect(Object.isFrozen(contract)).toBe(true);
    expect(await pipeline.capabilityManager.getContract(contract.id)).toEqual(contract);
    expect(await pipeline.capabilityManager.getContract("ctr_none")).toBeUndefined();
  });

  test("are listed while they are in force; revoking is terminal and tells whether it did anything", async () => {
    const { capabilityManager } = pipeline;
    const [one, two] = [await issue("job:run:a"), await issue("job:run:b")];
    expect((await capabilityManager.listContracts()).map(({ id }) => id)).toEqual([one.id, two.id]);
    expect(await capabilityManager.revoke(one.id, { revokedBy: "operator", reason: "no longer" })).toBe(true);
    expect(await capabilityManager.revoke(one.id)).toBe(false);
    expect(await capabilityManager.revoke("ctr_none")).toBe(false);
    expect((await capabilityManager.listContracts()).map(({ id }) => id)).toEqual([two.id]);
    expect(await capabilityManager.listContracts({ all: true })).toMatchObject([
      { isActive: false },
      { isActive: true },
    ]);
    expect(world.committed().at(-1)).toMatchObject({
      event: "capability_revoked",
      revoked_by: "operator",
      reason: "no longer",
    });
  });

  test("a contract alone lets nobody act, and one issued again revives nothing (A3)", async () => {
    const contract = await issue("job:run:a");
    await bind("agent", "job:run:a");
    await pipeline.capabilityManager.revoke(contract.id);
    await issue("job:run:a");
    const result = await pipeline.executor.executeStep(world.context({ action: job() }));
    expect(result).toMatchObject({ status: "denied", reason: "contract_revoked" });
    expect(await pipeline.bindingManager.hasBinding("agent", "job:run:a")).toBe(false);
  });
});

describe("bindings (A2)", () => {
  test("are frozen documents with all the fields of the specification", async () => {
    const contract = await issue("job:run:**");
    const binding = await bind("agent", "job:run:a", { scope: "a", constraints: { max_uses: 1 } });
    expect(binding).toMatchObject({
      agentId: "agent",
      capability: "job:run:a",
      scope: "a",
      constraints: { max_uses: 1 },
      createdBy: "operator",
      isActive: true,
      protocolVersion: "1.0",
      contractId: contract.id,
      parentId: undefined,
      expiresAt: undefined,
      uses: 0,
    });
    expect(Object.isFrozen(binding)).toBe(true);
  });

  test("take the narrowest contract that covers them when none is named", async () => {
    await issue("job:run:**");
    const narrow = await issue("job:run:a");
    await issue("job:*:**");
    expect(await bind("agent", "job:run:a")).toMatchObject({ contractId: narrow.id });
  });

  test("are listed for one agent and for all, dead ones on demand", async () => {
    await issue("job:run:**");
    const [one, two] = [await bind("a", "job:run:a"), await bind("b", "job:run:b")];
    await pipeline.bindingManager.unbind(one.id);
    expect(await pipeline.bindingManager.getBindings("a")).toEqual([]);
    expect(await pipeline.bindingManager.getBindings("a", { all: true })).toMatchObject([
      { id: one.id, isActive: false },
    ]);
    expect((await pipeline.bindingManager.listBindings()).map(({ id }) => id)).toEqual([two.id]);
    expect((await pipeline.bindingManager.listBindings({ all: true })).map(({ id }) => id)).toEqual([
      one.id,
      two.id,
    ]);
  });

  test("hasBinding asks for cover, not for equal text", async () => {
    await issue("job:run:**");
    await bind("agent", "job:run:x/**", { scope: "x/y/**" });
    const { bindingManager } = pipeline;
    expect(await bindingManager.hasBinding("agent", "job:run:x/y/z")).toBe(true);
    expect(await bindingManager.hasBinding("agent", "job:run:x/z")).toBe(false);
    expect(await bindingManager.hasBinding("agent", "job:run:xy")).toBe(false);
    expect(await bindingManager.hasBinding("other", "job:run:x/y/z")).toBe(false);
    await expect(bindingManager.hasBinding("agent", "nonsense")).rejects.toThrow(CapabilitySyntaxError);
  });

  test.each<[string, string, object, abstract new (...args: never[]) => Error, string]>([
    ["what no contract covers", "job:stop:a", {}, NoAuthorityError, "no_authority"],
    ["more than a contract", "job:*:a", {}, NoAuthorityError, "no_authority"],
    [
      "a wider scope than the contract's",
      "fs:read:/a/**",
      { scope: "/a/c/**" },
      NoAuthorityError,
      "no_authority",
    ],
    ["a contract that is not there", "job:run:a", { contractId: "ctr_none" }, NotFoundError, "not_found"],
    ["a parent that is not there", "job:run:a", { parentId: "bind_none" }, NotFoundError, "not_found"],
    ["text that is no capability", "job run", {}, CapabilitySyntaxError, "invalid_capability"],
    [
      "a scope of another grammar",
      "fs:read:/a/b",
      { scope: "b" },
      CapabilitySyntaxError,
      "invalid_capability",
    ],
    [
      "an unknown constraint",
      "job:run:a",
      { constraints: { max_used: 1 } },
      InvalidConstraintError,
      "invalid_constraint",
    ],
    [
      "a malformed constraint",
      "job:run:a",
      { constraints: { rate: { limit: 0, per: "1m" } } },
      InvalidConstraintError,
      "invalid_constraint",
    ],
    ["a program without confinement", "os:process:git", {}, InvalidConstraintError, "invalid_constraint"],
  ])("%s cannot be bound, and leaves no event", async (_name, capability, more, kind, code) => {
    await issue("job:run:**");
    await issue("fs:read:/a/**", { scope: "/a/b/**" });
    await issue("os:process:git");
    const before = names();
    const error = await thrown(bind("agent", capability, more));
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code });
    expect(names()).toEqual(before);
  });

  test.each<[string, object]>([
    ["an agent id that is none", { agentId: "a b" }],
    ["a glob for an agent", { agentId: "team-*" }],
    ["nobody who did it", { createdBy: "" }],
    ["both a contract and a parent", { contractId: "ctr_1", parentId: "bind_1" }],
  ])("%s is the caller's TypeError", async (_name, more) => {
    await issue("job:run:**");
    await expect(bind("agent", "job:run:a", more)).rejects.toThrow(TypeError);
    await expect(pipeline.bindingManager.unbind("bind_1", { revokedBy: "" })).rejects.toThrow(TypeError);
    await expect(issue("job:run:a", { issuedBy: 7 })).rejects.toThrow(TypeError);
    await expect(issue("job:run:a", { issuedTo: "a b" })).rejects.toThrow(TypeError);
    await expect(pipeline.capabilityManager.suspend("a b", { by: "operator" })).rejects.toThrow(TypeError);
    await expect(pipeline.capabilityManager.suspend("agent", { by: "" })).rejects.toThrow(TypeError);
  });

  test("a contract that is dead or somebody else's cannot be bound", async () => {
    const { capabilityManager } = pipeline;
    const revoked = await issue("job:run:a");
    await capabilityManager.revoke(revoked.id);
    const foreign = await issue("job:run:a", { issuedTo: "team-*" });
    for (const contractId of [revoked.id, foreign.id]) {
      expect(await thrown(bind("agent", "job:run:a", { contractId }))).toMatchObject({
        code: "no_authority",
      });
    }
    expect(await bind("team-1", "job:run:a", { contractId: foreign.id })).toMatchObject({
      contractId: foreign.id,
    });
    expect(await thrown(bind("agent", "job:run:a"))).toBeInstanceOf(NoAuthorityError);
  });

  test("constraints that change while they wait are those that were given", async () => {
    await issue("job:run:**");
    const request = { agentId: "agent", capability: "job:run:a", createdBy: "operator" };
    const binding = pipeline.bindingManager.bind(request);
    request.agentId = "mallory";
    request.capability = "job:run:**";
    expect(await binding).toMatchObject({ agentId: "agent", capability: "job:run:a" });
  });
});

describe("delegation (A2, A3)", () => {
  async function parent(more: object = {}) {
    await issue("job:run:**", { delegable: true });
    return bind("lead", "job:run:team/**", { delegable: true, ...more });
  }

  test("narrows, adds up constraints, and ends with any link above", async () => {
    const above = await parent({ constraints: { max_uses: 5 } });
    const child = await bind("agent", "job:run:team/a", { parentId: above.id, constraints: { max_uses: 9 } });
    expect(child).toMatchObject({ parentId: above.id, contractId: undefined });
    const execute = (agentId: string) =>
      pipeline.executor.executeStep(
        world.context({
          agentId,
          action: job(() => 1, { requires: () => "job:run:team/a" }),
          requiredCapability: "job:run:team/a",
        }),
      );
    for (const agentId of ["agent", "lead", "agent", "agent", "lead"]) {
      expect(await execute(agentId)).toMatchObject({ status: "completed" });
    }
    expect(await execute("agent")).toMatchObject({ reason: "uses_exhausted" });
    await pipeline.bindingManager.unbind(above.id);
    expect(await execute("agent")).toMatchObject({ reason: "binding_revoked" });
    expect(await pipeline.bindingManager.getBindings("agent")).toEqual([]);
  });

  test.each<[string, object, string]>([
    ["outside the parent", {}, "job:run:other"],
    ["wider than the parent", {}, "job:run:**"],
    ["of what is not delegable", { delegable: false }, "job:run:team/a"],
    ["outside the parent's scope", { scope: "team/b" }, "job:run:team/a"],
  ])("%s is refused", async (_name, more, capability) => {
    const above = await parent(more);
    expect(await thrown(bind("agent", capability, { parentId: above.id }))).toMatchObject({
      name: "NoAuthorityError",
      code: "no_authority",
    });
  });

  test("of what is revoked is refused, and a chain has at most 16 links", async () => {
    let above = await parent();
    for (let links = 2; links < 16; links++) {
      above = await bind(`agent-${links}`, "job:run:team/**", { parentId: above.id, delegable: true });
    }
    expect(await thrown(bind("agent", "job:run:team/a", { parentId: above.id }))).toMatchObject({
      code: "no_authority",
    });
    await pipeline.bindingManager.unbind(above.id);
    expect(await thrown(bind("agent", "job:run:team/a", { parentId: above.id }))).toMatchObject({
      code: "no_authority",
    });
  });

  test("gains no address and no freedom that the parent does not have", async () => {
    await issue("net:http", { delegable: true });
    const net = await bind("lead", "net:http:GET example.com", { delegable: true });
    const wider = bind("agent", "net:http:GET example.com", {
      parentId: net.id,
      constraints: { allow_private: ["10.0.0.0/8"] },
    });
    expect(await thrown(wider)).toMatchObject({
      name: "InvalidConstraintError",
      constraint: "allow_private",
    });
  });
});
