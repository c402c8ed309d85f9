import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";

export interface TokenRelay {
  /** Of `localhost`: the suite's test of DNS rebinding asks for that name. */
  readonly url: string;
  readonly origin: string;
  /** Where it passes requests on to. */
  to(target: string, token: string): void;
  close(): void;
}

/**
 * The suite has no way to send a token. This puts one on each request on its way to the gateway, and changes nothing
 * else: method, path, headers (`Host` and `Origin` among them), bodies and streams are passed on as they come.
 */
export async function openTokenRelay(): Promise<TokenRelay> {
  let target = { port: "0", token: "" };
  const server = createServer((incoming, outgoing) => {
    const passed = ask(
      {
        host: "127.0.0.1",
        port: target.port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...incoming.headers, authorization: `Bearer ${target.token}` },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
        answer.on("error", () => outgoing.destroy());
      },
    );
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/mcp`,
    origin,
    to: (url, token) => void (target = { port: new URL(url).port, token }),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
