import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  builtinActions,
  createPipeline,
  type PipelineOptions,
  SecureExecutionContext,
} from "../src/index.js";

let server: Server;
let url: string;
let seen: string | undefined;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "synapse-secrets-"));
  seen = undefined;
  server = createServer((request, response) => {
    seen = request.headers.authorization;
    response.end(`you said ${seen}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  delete process.env["SYNAPSE_SECRET_token"];
  rmSync(folder, { recursive: true, force: true });
  await new Promise((resolve) => server.close(resolve));
});

async function ask(options: Partial<PipelineOptions> = {}) {
  const pipeline = await createPipeline({ database: ":memory:", ...options });
  const capability = `net:http:GET ${url}`;
  await pipeline.capabilityManager.issue({ capability, issuedBy: "ops" });
  await pipeline.bindingManager.bind({
    agentId: "agent",
    capability,
    createdBy: "ops",
    constraints: { allow_private: ["127.0.0.0/8"] },
  });
  const result = await pipeline.executor.executeStep(
    new SecureExecutionContext({
      workflowId: "w",
      stepId: "s",
      agentId: "agent",
      requiredCapability: capability,
      auditReference: "a",
      traceId: "t",
      action: builtinActions.http.request,
      actionParams: { url, headers: { authorization: "Bearer secret://token" } },
    }),
  );
  const log = JSON.stringify(await pipeline.audit.getEvents());
  await pipeline.close();
  return { result, log };
}

it("a secret of the environment reaches the server, and neither the result nor the log (H7)", async () => {
  process.env["SYNAPSE_SECRET_token"] = "s3cr3t-of-the-environment";
  const { result, log } = await ask();
  expect(seen).toBe("Bearer s3cr3t-of-the-environment");
  expect(result).toMatchObject({
    status: "completed",
    output: { text: "you said Bearer [redacted secret://token]" },
  });
  expect(log + JSON.stringify(result)).not.toContain("s3cr3t");
});

it("a secret of a folder does, too, when nobody else can read it", async () => {
  writeFileSync(join(folder, "token"), "s3cr3t-of-the-folder\n", { mode: 0o600 });
  expect((await ask({ secrets: { folder } })).result).toMatchObject({ status: "completed" });
  expect(seen).toBe("Bearer s3cr3t-of-the-folder");
  chmodSync(join(folder, "token"), 0o644);
  seen = undefined;
  expect((await ask({ secrets: { folder } })).result).toMatchObject({
    status: "failed",
    error: { code: "insecure_secret" },
  });
  expect(seen).toBeUndefined();
});

it("a secret that nobody provides fails the step before anything is sent", async () => {
  const { result } = await ask();
  expect(result).toMatchObject({ status: "failed", error: { code: "unknown_secret" } });
  expect(seen).toBeUndefined();
});
