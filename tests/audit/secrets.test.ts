/** A secret goes over the wire and nowhere else (SEMANTICS H7): no file that a run leaves behind holds it. */
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createPipeline } from "../../src/index.js";
import { fileSecrets } from "../../src/actions/handles/secrets.js";
import { parseWorkflow } from "../../src/workflow/definition.js";
import { runWorkflow } from "../../src/workflow/run.js";
import { folder, synapse } from "../cli/invoke.js";
import { startHttp } from "../actions/fixtures/http-server.js";

// In no spelling the same as in another: base64, hex and URL form of it are three more texts.
const secret = 'tok/"+ zq7&n-4481';

const spellings = (): readonly (readonly [string, string])[] => {
  const bytes = Buffer.from(secret, "utf8");
  // Within a longer text base64 depends on where the secret begins: the inner part for each of the three offsets.
  const inner = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return text.slice(4, text.length - 4);
  });
  const escaped = JSON.stringify(secret).slice(1, -1);
  return [
    ["plain", secret],
    ["JSON", escaped],
    ["base64", bytes.toString("base64")],
    ...inner.map((text, offset) => [`base64 at offset ${offset}`, text] as const),
    ["base64url", bytes.toString("base64url")],
    ["hex", bytes.toString("hex")],
    ["HEX", bytes.toString("hex").toUpperCase()],
    ["URL", encodeURIComponent(secret)],
    ["form", new URLSearchParams({ s: secret }).toString().slice(2)],
  ];
};

function holding(cwd: string): string[] {
  const found: string[] = [];
  for (const name of readdirSync(cwd, { recursive: true }) as string[]) {
    if (name.startsWith("secrets") || !statSync(join(cwd, name)).isFile()) continue;
    const bytes = readFileSync(join(cwd, name));
    for (const [spelling, text] of spellings())
      if (bytes.includes(Buffer.from(text, "utf8"))) found.push(`${name}: ${spelling}`);
  }
  return found;
}

const workflow = (url: string) => `
name: calls
steps:
  - id: call
    agent: caller
    action: http.request
    with:
      url: ${url}
      method: POST
      headers: { authorization: "Bearer secret://token" }
      body: "a=secret://token"
  - id: keep
    agent: caller
    needs: [call]
    action: memory.set
    with: { key: answer, value: "\${{ steps.call.output }}" }
`;

test("a workflow that sends a secret, to a server that sends it back, leaves it in no file, in no spelling", async () => {
  const cwd = folder();
  // What comes back comes as it was sent, and in other spellings that the server might choose.
  const server = await startHttp((request, response) => {
    const sent = Buffer.from(request.headers.authorization ?? "", "latin1")
      .toString("utf8")
      .replace("Bearer ", "");
    response.setHeader("x-echo", encodeURIComponent(sent));
    response.end(
      JSON.stringify({
        plain: sent,
        base64: Buffer.from(sent).toString("base64"),
        hex: Buffer.from(sent).toString("hex"),
      }),
    );
  });
  onTestFinished(() => server.close());
  const secrets = folder({ token: secret });
  chmodSync(join(secrets, "token"), 0o600);
  const pipeline = await createPipeline({
    database: join(cwd, "log.db"),
    workingFolder: cwd,
    secrets: fileSecrets(secrets),
  });
  const url = `http://127.0.0.1:${server.port}/in`;
  for (const capability of [`net:http:POST ${url}`, "memory:write:**"]) {
    await pipeline.capabilityManager.issue({ capability, issuedBy: "ops" });
    await pipeline.bindingManager.bind({
      agentId: "caller",
      capability,
      createdBy: "ops",
      ...(capability.startsWith("net") ? { constraints: { allow_private: ["127.0.0.0/8"] } } : {}),
    });
  }
  const definition = parseWorkflow(workflow(url), "calls.yaml");
  const { status } = await runWorkflow({ pipeline, definition, inputs: {} });
  expect(status).toBe("completed");
  // While the write-ahead log is still there, and after it is gone.
  expect(holding(cwd)).toEqual([]);
  await pipeline.close();
  expect(holding(cwd)).toEqual([]);
  expect(server.requests[0]?.body).toBe(`a=${secret}`);
  // The search finds what is there.
  writeFileSync(join(cwd, "control"), Buffer.from(secret).toString("hex"));
  expect(holding(cwd)).toEqual(["control: hex"]);
  // Exports and proofs are made of the same events.
  await synapse({ cwd }, "audit", "export", "out", "--db", "log.db");
  expect(holding(join(cwd, "out"))).toEqual([]);
});
