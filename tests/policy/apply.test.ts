import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ledgerOf } from "../../src/core/audit.js";
import {
  type AuditEvent,
  createPipeline,
  defineAction,
  type Pipeline,
  SecureExecutionContext,
} from "../../src/index.js";
import { DocumentError } from "../../src/model/errors.js";
import { applyPolicy, previewPolicy } from "../../src/policy/apply.js";
import { parsePolicy } from "../../src/policy/file.js";
import { refusal } from "../actions/fixtures/http-refusal.js";
import { dumpState } from "../model/fixtures/dump-state.js";
import { startMs } from "../model/fixtures/world.js";

const dayMs = 86_400_000;
let folder: string;
let pipeline: Pipeline;
let clock: { ms: number };

async function reopen(): Promise<void> {
  pipeline = await createPipeline({ database: join(folder, "log.db"), clock: { now: () => clock.ms } });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "synapse-apply-"));
  clock = { ms: startMs };
  await reopen();
});

afterEach(async () => {
  await pipeline.close();
  rmSync(folder, { recursive: true, force: true });
});

const policy = (text: string, name = "team") =>
  parsePolicy(`version: 1\nname: ${name}\n${text}`, "/p/policy.yaml");
const apply = (text: string, name?: string) => applyPolicy(pipeline, policy(text, name), { by: "operator" });

/** Applies, and gives what was appended by it as `event capability` lines, and the changes that were told. */
async function applied(text: string, name?: string): Promise<{ events: string[]; changes: string[] }> {
  const [last] = await pipeline.audit.getEvents({ newest: true, limit: 1 });
  const changes = await apply(text, name);
  const events = await pipeline.audit.getEvents({ after: last?.seq ?? 0 });
  return {
    events: events.map(
      (event) =>
        `${event.event} ${JSON.stringify(event["capability"] ?? event["changes"]).replaceAll('"', "")}`,
    ),
    changes: changes.map(({ change, kind, agent, capability }) => `${change} ${kind} ${agent} ${capability}`),
  };
}

const touch = defineAction<{ key: string }>({
  name: "test.touch",
  requires: ({ key }) => `crm:update:${key}`,
  run: () => null,
});

async function step(agentId = "writer", key = "k"): Promise<string> {
  const fields = {
    workflowId: "w",
    stepId: "s",
    requiredCapability: "crm:update",
    auditReference: "t",
    traceId: "t",
  };
  const context = new SecureExecutionContext({ ...fields, agentId, action: touch, actionParams: { key } });
  const result = await pipeline.executor.executeStep(context);
  return result.status === "denied" ? result.reason : result.status;
}

const events = (): Promise<AuditEvent[]> => pipeline.audit.getEvents();

const base = `
contracts:
  crm: { capability: crm:update, expires: 30d, delegable: true }
  files: { capability: "fs:read:/d/**", issued_to: "read*" }
agents:
  reader:
    - fs:read:/d/x
    - { capability: "fs:read:/d/**", scope: "/d/y/**", contract: files }
  writer:
    - { capability: "crm:update:**", constraints: { max_uses: 3, rate: { limit: 2, per: 1h } }, expires: 7d }
`;

describe("a policy that is applied (E5)", () => {
  it("makes its contracts and bindings in one transaction, and says what it did", async () => {
    const { events: appended, changes } = await applied(base);
    expect(appended).toEqual([
      "capability_created crm:update",
      "capability_created fs:read:/d/**",
      "binding_created fs:read:/d/x",
      "binding_created fs:read:/d/**",
      "binding_created crm:update:**",
      "policy_applied 5",
    ]);
    expect(changes).toEqual([
      "added contract * crm:update",
      "added contract read* fs:read:/d/**",
      "added binding reader fs:read:/d/x",
      "added binding reader fs:read:/d/**",
      "added binding writer crm:update:**",
    ]);
    expect(await step()).toBe("completed");
    const last = (await events()).find((event) => event.event === "policy_applied");
    expect(last).toMatchObject({ policy: "team", file: "/p/policy.yaml", by: "operator", changes: 5 });
  });

  it("unchanged appends nothing: again, after reopening, and days later with durations counted from then", async () => {
    await apply(base);
    const before = await events();
    expect(await apply(base)).toEqual([]);
    await pipeline.close();
    clock.ms += 3 * dayMs;
    await reopen();
    expect(await apply(base)).toEqual([]);
    // Another spelling of the same policy is the same policy.
    expect(
      await apply(
        base
          .replace("crm:update:**", "crm:update:**")
          .replace("rate: { limit: 2, per: 1h }", "rate: { per: 1h, limit: 2 }"),
      ),
    ).toEqual([]);
    expect(await events()).toEqual(before);
  });

  it("a grant that is added or removed is one event, and nothing else moves", async () => {
    await apply(base);
    const more = base.replace("    - fs:read:/d/x\n", "    - fs:read:/d/x\n    - fs:read:/d/z\n");
    expect(await applied(more)).toEqual({
      events: ["binding_created fs:read:/d/z", "policy_applied 1"],
      changes: ["added binding reader fs:read:/d/z"],
    });
    expect(await applied(base)).toEqual({
      events: ["binding_revoked fs:read:/d/z", "policy_applied 1"],
      changes: ["removed binding reader fs:read:/d/z"],
    });
  });

  it.each([
    ["constraints", "max_uses: 3", "max_uses: 4"],
    ["expiry", "expires: 7d", "expires: 8d"],
    ["scope", "expires: 7d }", "expires: 7d, scope: a/** }"],
    ["delegable", "expires: 7d }", "expires: 7d, delegable: true }"],
  ])(
    "a grant whose %s changed is replaced: the old one revoked before the new one stands",
    async (_what, from, to) => {
      await apply(base);
      expect(await applied(base.replace(from, to))).toEqual({
        events: ["binding_revoked crm:update:**", "binding_created crm:update:**", "policy_applied 1"],
        changes: ["replaced binding writer crm:update:**"],
      });
    },
  );

  it("a contract that changed is replaced with the bindings that rest on it, and with no others", async () => {
    await apply(base);
    expect(await applied(base.replace("expires: 30d", "expires: 60d"))).toEqual({
      events: [
        "capability_created crm:update",
        "capability_revoked crm:update",
        "binding_revoked crm:update:**",
        "binding_created crm:update:**",
        "policy_applied 2",
      ],
      changes: ["replaced contract * crm:update", "replaced binding writer crm:update:**"],
    });
    expect(await step()).toBe("completed");
  });

  it("an empty policy takes away all that was its own", async () => {
    await apply(base);
    await apply("");
    expect(await pipeline.bindingManager.listBindings()).toEqual([]);
    expect(await pipeline.capabilityManager.listContracts()).toEqual([]);
    expect(await step()).toBe("contract_revoked");
  });

  it("refills no counter: what was used up stays used up in what replaces it", async () => {
    await apply(base);
    expect([await step(), await step(), await step()]).toEqual(["completed", "completed", "rate_limited"]);
    await apply(base.replace("expires: 7d", "expires: 8d"));
    expect(await step()).toBe("rate_limited");
    await apply(base.replace("expires: 30d", "expires: 60d"));
    expect(await step()).toBe("rate_limited");
    clock.ms += 3_600_000;
    await pipeline.close();
    await reopen();
    expect([await step(), await step()]).toEqual(["completed", "uses_exhausted"]);
    await apply(base.replace("max_uses: 3", "max_uses: 4"));
    expect([await step(), await step()]).toEqual(["completed", "rate_limited"]);
    clock.ms += 3_600_000;
    expect(await step()).toBe("uses_exhausted");
  });

  it("of a contract too", async () => {
    const limited =
      "contracts:\n  crm: { capability: crm:update, constraints: { max_uses: 2 } }\nagents:\n  writer: [crm:update]\n";
    await apply(limited);
    await step();
    await apply(limited.replace("max_uses: 2", "max_uses: 2, max_effects: 5"));
    expect([await step(), await step()]).toEqual(["completed", "uses_exhausted"]);
  });
});

describe("a policy touches what is its own, and nothing else (E5)", () => {
  it("objects made by hand and those of other policies stand", async () => {
    const { capabilityManager, bindingManager } = pipeline;
    const contract = await capabilityManager.issue({ capability: "crm:update", issuedBy: "hand" });
    const binding = await bindingManager.bind({
      agentId: "writer",
      capability: "crm:update:**",
      createdBy: "hand",
      contractId: contract.id,
    });
    await apply(base);
    await apply(base, "other");
    const before = await bindingManager.listBindings();
    expect(before).toHaveLength(7);
    await apply("");
    const left = await bindingManager.listBindings();
    expect(left.map((each) => each.id)).toContain(binding.id);
    const revoked = (await events()).filter((event) => event.event.endsWith("_revoked"));
    expect(new Set(revoked.map((event) => event["reason"]))).toEqual(new Set(["policy team"]));
    expect(revoked).toHaveLength(5);
    // Where a grant of the other one rested on a contract of this one, it is bound anew when that is applied.
    expect((await applied(base, "other")).changes).toEqual(["replaced binding reader fs:read:/d/x"]);
    expect(await apply(base, "other")).toEqual([]);
  });

  it("a binding revoked by hand comes back as a new one; a contract revoked by hand with what rests on it (A3)", async () => {
    await apply(base);
    const [writers] = await pipeline.bindingManager.getBindings("writer");
    await pipeline.bindingManager.unbind(writers?.id ?? "", { revokedBy: "operator" });
    expect((await applied(base)).changes).toEqual(["added binding writer crm:update:**"]);
    const crm = (await pipeline.capabilityManager.listContracts()).find(
      (each) => each.capability === "crm:update",
    );
    await pipeline.capabilityManager.revoke(crm?.id ?? "", { revokedBy: "operator" });
    expect(await step()).toBe("contract_revoked");
    expect(await applied(base)).toEqual({
      events: [
        "capability_created crm:update",
        "binding_revoked crm:update:**",
        "binding_created crm:update:**",
        "policy_applied 2",
      ],
      changes: ["added contract * crm:update", "replaced binding writer crm:update:**"],
    });
    expect(await step()).toBe("completed");
    const revived = (await pipeline.capabilityManager.listContracts({ all: true })).find(
      (each) => each.id === crm?.id,
    );
    expect(revived?.isActive).toBe(false);
    expect(await apply(base)).toEqual([]);
  });

  it("a grant may rest on another's contract while that stands", async () => {
    const contract = await pipeline.capabilityManager.issue({ capability: "crm:update", issuedBy: "hand" });
    const grant = "agents:\n  writer: [crm:update:k]\n";
    await apply(grant);
    await pipeline.capabilityManager.revoke(contract.id, { revokedBy: "hand" });
    const error = (await refusal(apply(grant), DocumentError, "invalid_policy")) as DocumentError;
    expect([error.line, error.column, error.hint]).toEqual([
      4,
      12,
      "add a contract that covers it under `contracts`",
    ]);
  });
});

describe("a policy that cannot be applied changes nothing at all", () => {
  it.each([
    ["nothing covers it", "    - mail:send:x", 14, "no active contract"],
    [
      "the contract it names is somebody else's",
      '    - { capability: "fs:read:/e", contract: files }',
      14,
      "it is issued to",
    ],
    ["a program without limits (H6)", "    - os:process:git", 14, "which arguments"],
  ])("%s: told with its line and column", async (_why, line, at, message) => {
    await apply(base);
    const contracts = base.replace("agents:", "  git: { capability: os:process:git }\nagents:");
    const before = [await events(), dumpState(ledgerOf(pipeline.audit).state)];
    const changed = contracts.replace("max_uses: 3", "max_uses: 9") + "  late:\n" + line + "\n";
    const error = (await refusal(apply(changed), DocumentError, "invalid_policy")) as DocumentError;
    expect([error.line, error.column]).toEqual([at + 1, 7]);
    expect(error.message).toContain(`/p/policy.yaml:${at + 1}:7: `);
    expect(error.message).toContain(message);
    expect([await events(), dumpState(ledgerOf(pipeline.audit).state)]).toEqual(before);
    expect(await step()).toBe("completed");
  });

  it("the actor must be named", async () => {
    await expect(applyPolicy(pipeline, policy(base), { by: "" })).rejects.toThrow(TypeError);
    expect(await events()).toEqual([]);
  });
});

describe("a preview (E5: `plan --policy` persists nothing)", () => {
  it("is the state as it would be, and leaves the real one and the log as they are", async () => {
    await apply(base);
    const before = [await events(), dumpState(ledgerOf(pipeline.audit).state)];
    const preview = previewPolicy(
      pipeline,
      policy("contracts:\n  m: { capability: mail:send }\nagents:\n  m: [mail:send:x]\n"),
    );
    expect(preview.bindingsOf("m")).toHaveLength(1);
    expect(preview.bindingsOf("writer").every((binding) => binding.revokedSeq !== undefined)).toBe(true);
    expect([await events(), dumpState(ledgerOf(pipeline.audit).state)]).toEqual(before);
    expect(await step()).toBe("completed");
  });

  it("fails as applying would", () => {
    expect(() => previewPolicy(pipeline, policy("agents:\n  m: [mail:send:x]\n"))).toThrow(DocumentError);
  });
});
