/** `synapse token issue`, and what it leaves behind. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { document, documents, expectRefusal, folder, synapse } from "../../cli/invoke.js";
import { tokenKey } from "../../../src/gateway/tokens/token-key.js";
import { ownIssuer } from "../../../src/gateway/tokens/trusted-issuer.js";
import { tokenVerifier } from "../../../src/gateway/tokens/verify-token.js";

const issue = (cwd: string, ...more: string[]) =>
  synapse({ cwd }, "token", "issue", "--agent", "ada", "--expires", "8h", ...more);

async function withDatabase(): Promise<string> {
  const cwd = folder();
  expect((await synapse({ cwd }, "init")).code).toBe(0);
  return cwd;
}

describe("synapse token issue", () => {
  test("prints a token that is good at that gateway, alone on standard output", async () => {
    const cwd = await withDatabase();
    const { code, stdout, stderr } = await issue(cwd);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(stderr).toMatch(/^note: for ada at http:\/\/127\.0\.0\.1:8808, until 2.*Z; keep it as you keep/);
    const key = await tokenKey(join(cwd, ".synapse/synapse.db"));
    const audience = "http://127.0.0.1:8808";
    const verifier = tokenVerifier({ audience, issuers: [ownIssuer(key)], now: Date.now });
    expect(await verifier.verify(stdout.trim())).toMatchObject({ agentId: "ada" });
    expect(statSync(join(cwd, ".synapse/synapse.db.token-key")).mode & 0o777).toBe(0o600);
  });

  test("is on record, without the token", async () => {
    const cwd = await withDatabase();
    const audience = "https://gw.example/mcp";
    const issued = document(await issue(cwd, "--audience", audience, "--json"));
    expect(issued).toMatchObject({
      agent_id: "ada",
      audience,
      issuer: expect.stringMatching(/^synapse:/) as string,
    });
    const events = documents(await synapse({ cwd }, "audit", "list", "--json"));
    const recorded = events.filter((event) => event["event"] === "x_token_issued");
    expect(recorded).toHaveLength(1);
    expect(JSON.stringify(recorded)).toContain(String(issued["token_id"]));
    expect(JSON.stringify(events)).not.toContain(String(issued["token"]).split(".")[2]);
  });

  test.each<[string, string[], string, RegExp]>([
    ["an agent that is none", ["--agent", "a b"], "usage", /agent id/],
    ["an end that is none", ["--expires", "soon"], "invalid_time", /`soon`/],
    [
      "an end that has been",
      ["--expires", "2020-01-01T00:00:00Z"],
      "invalid_token_request",
      /before it is issued/,
    ],
    ["an end years away", ["--expires", "53w"], "invalid_token_request", /90 days/],
    ["an audience that is none", ["--audience", "gateway"], "usage", /URL/],
    ["a database in memory", ["--db", ":memory:"], "usage", /a database that stays/],
  ])("%s: refused, and nothing recorded", async (_, words, code, said) => {
    const cwd = await withDatabase();
    expectRefusal(await issue(cwd, ...words), 2, code, said);
    const events = documents(await synapse({ cwd }, "audit", "list", "--json"));
    expect(events.filter((event) => event["event"] === "x_token_issued")).toEqual([]);
  });

  test("without a database there is nothing that it would be good for", async () => {
    const cwd = folder();
    expectRefusal(await issue(cwd), 2, "missing_store");
    expect(existsSync(join(cwd, ".synapse"))).toBe(false);
  });

  test("no agent reads the key, wherever its authority reaches", async () => {
    const cwd = folder({
      "p.yaml":
        'version: 1\ncontracts: { all: { capability: "fs:read:./**" } }\nagents: { ada: ["fs:read:./**"] }\n',
      "w.yaml": `name: thief
inputs: { file: {} }
steps:
  - { id: read, agent: ada, action: fs.read, with: { path: "\${{ inputs.file }}" } }
`,
    });
    const db = ["--db", "log.db"];
    expect((await synapse({ cwd }, "policy", "apply", "p.yaml", ...db)).code).toBe(0);
    await issue(cwd, ...db);
    const read = (file: string) =>
      synapse({ cwd }, "run", "w.yaml", "--input", `file=${file}`, ...db, "--json");
    expect((await read("w.yaml")).code).toBe(0);
    const stolen = await read("log.db.token-key");
    expect(stolen.code).toBe(1);
    expect(stolen.stdout).toContain('"effect_denied"');
    expect(stolen.stdout).not.toContain("PRIVATE KEY");
  });
});
