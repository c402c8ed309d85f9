// The reference filesystem server behind the gateway, and a client that reads a file, is denied another, and sees its
// permission end while the session goes on. Run it with: npm run example:gateway
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = resolve(here, "../..");
const synapse = join(root, "dist/cli/main.js");
const server = join(root, "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");

const folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-gateway-")));
const data = join(folder, "data");
mkdirSync(join(data, "public"), { recursive: true });
mkdirSync(join(data, "private"));
writeFileSync(join(data, "public/notes.txt"), "the meeting is on Monday\n");
writeFileSync(join(data, "private/salary.txt"), "nobody's business\n");

const database = ["--db", join(folder, "synapse.db")];
const operator = (...args) =>
  execFileSync(process.execPath, [synapse, ...args, ...database, "--json"], { encoding: "utf8" });
/** Authority that exists, and then a part of it put to work for the agent `assistant`. */
function grant(capability) {
  operator("issue", "--capability", capability, "--by", "operator");
  const bound = operator("bind", "--agent", "assistant", "--capability", capability, "--by", "operator");
  console.log(`operator  grants ${capability.replace(folder, "…")}`);
  return JSON.parse(bound).binding_id ?? JSON.parse(bound).id;
}

const reading = grant("mcp:call:files/read_text_file");
grant(`fs:read:${data}/public/**`);

// What a client such as Claude Desktop does with the line in its configuration.
const gateway = spawn(
  process.execPath,
  [synapse, "gateway", "--config", join(here, "mcp.json"), "--agent", "assistant", ...database],
  {
    env: { ...process.env, EXAMPLE_SERVER: server, EXAMPLE_FOLDER: data },
    stdio: ["pipe", "pipe", "ignore"],
  },
);
const waiting = new Map();
let announced = () => undefined;
createInterface({ input: gateway.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.method === "notifications/tools/list_changed") announced();
  waiting.get(message.id)?.(message.result ?? message.error);
});
let last = 0;
const send = (message) => gateway.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
const request = (method, params) =>
  new Promise((done) => {
    waiting.set(++last, done);
    send({ id: last, method, params });
  });

async function tools() {
  const { tools } = await request("tools/list", {});
  console.log(`agent     sees ${tools.length === 0 ? "no tools" : tools.map(({ name }) => name).join(", ")}`);
}
async function read(path) {
  const { content, isError } = await request("tools/call", { name: "read_text_file", arguments: { path } });
  console.log(`agent     reads ${path.replace(folder, "…")}`);
  console.log(`${isError ? "gateway " : "server  "}  ${content[0].text.trim()}`);
}

await request("initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "example", version: "1" },
});
send({ method: "notifications/initialized" });
await tools();
await read(join(data, "public/notes.txt"));
await read(join(data, "private/salary.txt"));

const changed = new Promise((resolve) => (announced = resolve));
operator("unbind", reading, "--by", "operator");
console.log("operator  revokes mcp:call:files/read_text_file");
await changed;
await tools();
await read(join(data, "public/notes.txt"));

const ended = new Promise((resolve) => gateway.once("exit", resolve));
gateway.stdin.end();
await ended;
console.log("\nwhat the log says of it:\n");
const [run] = operator("runs").trim().split("\n");
const { run_id: runId } = JSON.parse(run);
console.log(execFileSync(process.execPath, [synapse, "show", runId, ...database], { encoding: "utf8" }));
console.log(execFileSync(process.execPath, [synapse, "replay", runId, ...database], { encoding: "utf8" }));
rmSync(folder, { recursive: true, force: true });
