import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtinActions, createPipeline, type Pipeline, SecureExecutionContext } from "../src/index.js";
import { applyPolicy } from "../src/policy/apply.js";
import { parsePolicy } from "../src/policy/file.js";
import { parseWorkflow } from "../src/workflow/definition.js";

const policyFile = resolve("examples/release-notes/policy.yaml");
const workflowFile = resolve("examples/release-notes/workflow.yaml");

describe("the example's own policy holds against its agents", () => {
  let folder: string;
  let pipeline: Pipeline;
  let allowed: readonly string[];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "synapse-example-"));
    pipeline = await createPipeline({ database: join(folder, "log.db"), workingFolder: resolve(".") });
    const policy = parsePolicy(readFileSync(policyFile, "utf8"), policyFile);
    await applyPolicy(pipeline, policy, { by: "ops" });
    const step = parseWorkflow(readFileSync(workflowFile, "utf8"), workflowFile).steps.find(
      ({ id }) => id === "history",
    );
    const params = step?.with.kind === "constant" ? (step.with.value as { args: string[] }) : { args: [] };
    allowed = params.args;
  });
  afterAll(async () => {
    await pipeline.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const git = (params: { program?: string; args?: readonly string[]; cwd?: string }) =>
    pipeline.executor.executeStep(
      new SecureExecutionContext({
        workflowId: "release-notes",
        stepId: "history",
        agentId: "collector",
        requiredCapability: `os:process:${params.program ?? "git"}`,
        auditReference: "attack",
        traceId: "attack",
        action: builtinActions.process.run,
        actionParams: { program: "git", args: allowed, ...params },
      }),
    );

  it("the one command line that it allows is the workflow's", async () => {
    expect(allowed.length).toBeGreaterThan(3);
    const result = await git({});
    // Whether or not this folder has a history, git was allowed to look.
    expect(result.status).toBe("completed");
  });

  it.each<[string, (marker: string) => { program?: string; args?: string[]; cwd?: string }]>([
    ["an alias that is a shell command", (marker) => ({ args: ["-c", `alias.x=!touch ${marker}`, "x"] })],
    [
      "a pager that is a shell command",
      (marker) => ({ args: ["-c", `core.pager=touch ${marker}`, "-p", "log"] }),
    ],
    [
      "an external diff",
      (marker) => ({ args: ["-c", `diff.external=touch ${marker}`, "log", "-p", "--ext-diff"] }),
    ],
    ["a file written by git itself", (marker) => ({ args: ["log", `--output=${marker}`] })],
    ["the allowed arguments and one more", (marker) => ({ args: [...allowed, `--output=${marker}`] })],
    ["the allowed arguments but the last", () => ({ args: allowed.slice(0, -1) })],
    ["the same program by another name", () => ({ program: "/usr/bin/git" })],
    ["another folder", () => ({ cwd: tmpdir() })],
    ["another program", (marker) => ({ program: "touch", args: [marker] })],
  ])("refused: %s", async (_name, attack) => {
    const marker = join(folder, "marker");
    const result = await git(attack(marker));
    expect(result.status).toBe("denied");
    expect(existsSync(marker)).toBe(false);
  });
});
