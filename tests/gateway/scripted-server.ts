import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly id: number;
  readonly method: string;
  readonly params?: Record<string, unknown>;
}

export interface Script {
  /** A look at every request before all else. True: it has been answered. */
  readonly door?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Answers a `tools/call`. */
  readonly call: (message: Asked, response: ServerResponse) => void;
  /** Answers a GET; 405 without it. */
  readonly listen?: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface ScriptedServer {
  readonly url: string;
  /** Requests as they came. */
  readonly seen: readonly IncomingMessage[];
  /** Methods of the messages that were taken, in their order. */
  readonly methods: readonly string[];
  close(): void;
}

/** A streamable HTTP server with one tool, `t`, which begins as it should and then does what its script says. */
export async function openScriptedServer(script: Script): Promise<ScriptedServer> {
  const seen: IncomingMessage[] = [];
  const methods: string[] = [];
  let sessions = 0;
  const take = (message: Asked, response: ServerResponse): void => {
    methods.push(message.method);
    if (message.id === undefined) return void response.writeHead(202).end();
    switch (message.method) {
      case "initialize":
        response.setHeader("mcp-session-id", `s-${++sessions}`);
        return json(response, message, {
          protocolVersion: message.params?.["protocolVersion"],
          capabilities: { tools: {} },
          serverInfo: { name: "scripted", version: "1" },
        });
      case "tools/list":
        return json(response, message, { tools: [{ name: "t", inputSchema: { type: "object" } }] });
      default:
        return script.call(message, response);
    }
  };
  const server = createServer((request, response) => {
    seen.push(request);
    if (script.door?.(request, response) === true) return;
    if (request.method === "GET") {
      if (script.listen === undefined) response.writeHead(405).end();
      else script.listen(request, response);
      return;
    }
    if (request.method !== "POST") return void response.writeHead(204).end();
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString("utf8")));
    request.on("end", () => take(JSON.parse(body) as Asked, response));
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    methods,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Answers a request with one JSON document. */
export function json(response: ServerResponse, { id }: Asked, result: object): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

/** The result of a tool, as text. */
export function saying(text: string): object {
  return { content: [{ type: "text", text }] };
}

/** One event of a stream that is a message, under an id when it is given. */
export function event(message: object, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: message\ndata: ${JSON.stringify(message)}\n\n`;
}
