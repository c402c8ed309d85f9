// A server of the SDK's second line, which speaks the stateless revision: over standard streams, or with `http` at a
// port of its own. `modern` refuses `initialize`. Without a gateway it is what answers are compared with.
import { createServer } from "node:http";
import { createMcpHandler, fromJsonSchema, inputRequired, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const modes = new Set(process.argv.slice(2));
const legacy = modes.has("modern") ? "reject" : undefined;
const text = (value) => ({ content: [{ type: "text", text: value }] });
const schema = (properties, required = []) => fromJsonSchema({ type: "object", properties, required });
let notify = { toolsChanged() {}, resourceUpdated() {} };
let extra = false;

function make() {
  const server = new McpServer(
    { name: "sdk-server", version: "1.2.3" },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        prompts: { listChanged: true },
        logging: {},
      },
      instructions: "be good",
      cacheHints: { "tools/list": { ttlMs: 60_000, cacheScope: "public" } },
    },
  );
  const number = { type: "number" };
  server.registerTool("add", { inputSchema: schema({ a: number, b: number }, ["a", "b"]) }, ({ a, b }) =>
    text(String(a + b)),
  );
  server.registerTool("meta", { inputSchema: schema({}) }, (_args, ctx) =>
    text(JSON.stringify(ctx.mcpReq.envelope)),
  );
  server.registerTool(
    "query",
    { inputSchema: schema({ region: { type: "string", "x-mcp-header": "Region" } }) },
    ({ region }) => text(`asked ${region}`),
  );
  server.registerTool("slow", { inputSchema: schema({}) }, async (_args, ctx) => {
    const { progressToken } = ctx.mcpReq._meta ?? {};
    if (progressToken !== undefined)
      await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: 1 } });
    process.stderr.write("began\n");
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 20_000);
      ctx.mcpReq.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        process.stderr.write("aborted\n");
        resolve();
      });
    });
    return text("late");
  });
  server.registerTool("ask", { inputSchema: schema({ who: { type: "string" } }) }, ({ who }, ctx) => {
    const { inputResponses } = ctx.mcpReq;
    if (inputResponses === undefined) {
      return inputRequired({
        inputRequests: {
          name: inputRequired.elicit({
            message: "Which colour?",
            requestedSchema: { type: "object", properties: { colour: { type: "string" } } },
          }),
          model: inputRequired.createMessage({
            messages: [{ role: "user", content: { type: "text", text: "hello" } }],
            maxTokens: 10,
          }),
          where: inputRequired.listRoots(),
        },
        requestState: `state of ${who}`,
      });
    }
    return text(JSON.stringify({ who, inputResponses, state: ctx.mcpReq.requestState() }));
  });
  server.registerTool("touch", { inputSchema: schema({ uri: { type: "string" } }) }, ({ uri }) => {
    if (modes.has("http")) notify.resourceUpdated(uri);
    else void server.server.sendResourceUpdated({ uri });
    return text("touched");
  });
  server.registerTool("grow", { inputSchema: schema({}) }, () => {
    extra = true;
    if (modes.has("http")) notify.toolsChanged();
    else server.registerTool("extra", { inputSchema: schema({}) }, () => text("extra"));
    return text("grown");
  });
  if (extra) server.registerTool("extra", { inputSchema: schema({}) }, () => text("extra"));
  for (const name of ["a", "b"])
    server.registerResource(name, `mem://${name}`, {}, (uri) => ({
      contents: [{ uri: uri.href, text: `text of ${uri.href}` }],
    }));
  server.registerPrompt("greet", {}, () => ({
    messages: [{ role: "user", content: { type: "text", text: "hi" } }],
  }));
  return server;
}

if (modes.has("http")) {
  const handler = createMcpHandler(make, legacy === undefined ? {} : { legacy });
  notify = handler.notify;
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const aborted = new AbortController();
    response.on("close", () => aborted.abort());
    const answer = await handler.fetch(
      new Request(`http://${request.headers.host}${request.url}`, {
        method: request.method,
        headers: request.headers,
        signal: aborted.signal,
        ...(request.method === "POST" ? { body: Buffer.concat(chunks) } : {}),
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body === null) return response.end();
    try {
      for await (const chunk of answer.body) response.write(chunk);
    } catch {
      // Its client is gone.
    }
    response.end();
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
} else {
  serveStdio(make, legacy === undefined ? {} : { legacy });
}
