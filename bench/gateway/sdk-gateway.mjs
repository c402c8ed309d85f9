// A gateway without any guard, as one would write it first: the SDK's server in front of the SDK's client, both on
// standard streams. What it costs is what passing messages on costs; the rest is the guard.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [root, command, ...args] = process.argv.slice(2);
const resolve = createRequire(`${root}/bench/package.json`).resolve;
const sdk = (name) => import(pathToFileURL(resolve(`@modelcontextprotocol/sdk/${name}`)).href);
const { Server } = await sdk("server/index.js");
const { StdioServerTransport } = await sdk("server/stdio.js");
const { Client } = await sdk("client/index.js");
const { StdioClientTransport } = await sdk("client/stdio.js");
const { CallToolRequestSchema, ListToolsRequestSchema } = await sdk("types.js");

const client = new Client({ name: "gateway", version: "1" });
await client.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));
const server = new Server({ name: "gateway", version: "1" }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, () => client.listTools());
server.setRequestHandler(CallToolRequestSchema, (request) => client.callTool(request.params));
await server.connect(new StdioServerTransport());
