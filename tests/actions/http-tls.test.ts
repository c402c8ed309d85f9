import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createHttpHandle } from "../../src/actions/handles/http.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate } from "./test-gate.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl)
  console.warn("skipped: the TLS tests make their certificates with openssl, which is not here");

/** A self-signed certificate for one name. */
function certificate(name: string): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "synapse-tls-"));
  try {
    const [key, cert] = [join(folder, "key"), join(folder, "cert")];
    const kind = [
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ];
    const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
    execFileSync("openssl", ["req", ...kind, ...names, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const servers: RunningServer[] = [];
afterEach(async () => {
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  for (const server of servers.splice(0)) await server.close();
});
async function serve(...settings: Parameters<typeof startHttp>): Promise<RunningServer> {
  const server = await startHttp(...settings);
  servers.push(server);
  return server;
}

function httpFor(ca?: string) {
  const gate = createTestGate({ grants: ["net:http"], allowPrivate: ["127.0.0.0/8"] });
  const lookup = () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
  return createHttpHandle(gate, { lookup, ...(ca === undefined ? {} : { ca }) });
}

describe.skipIf(!hasOpenssl)("https", () => {
  test("to a name that its certificate is for and whose authority is trusted, by that name", async () => {
    const tls = certificate("api.test");
    const server = await serve((_, response) => response.end("private"), { tls });
    const response = await httpFor(tls.cert).request({ url: `https://api.test:${server.port}/` });
    expect(response).toMatchObject({ status: 200, text: "private" });
  });

  test("a certificate that nobody vouches for", async () => {
    const server = await serve((_, response) => response.end(), { tls: certificate("api.test") });
    const attempt = httpFor().request({ url: `https://api.test:${server.port}/` });
    await refusal(attempt, EffectFailedError, "tls_failed");
    expect(server.requests).toEqual([]);
  });

  test("nor does the environment switch that off", async () => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    const server = await serve((_, response) => response.end(), { tls: certificate("api.test") });
    const attempt = httpFor().request({ url: `https://api.test:${server.port}/` });
    await refusal(attempt, EffectFailedError, "tls_failed");
    expect(server.requests).toEqual([]);
  });

  test("a certificate for another name", async () => {
    const tls = certificate("other.test");
    const server = await serve((_, response) => response.end(), { tls });
    const attempt = httpFor(tls.cert).request({ url: `https://api.test:${server.port}/` });
    await refusal(attempt, EffectFailedError, "tls_failed");
    expect(server.requests).toEqual([]);
  });

  test("a server that speaks no TLS", async () => {
    const server = await serve((_, response) => response.end());
    const attempt = httpFor().request({ url: `https://api.test:${server.port}/` });
    await refusal(attempt, EffectFailedError, "tls_failed");
  });

  test("never leads to http by a redirect, on the same host either", async () => {
    const tls = certificate("api.test");
    const plain = await serve((_, response) => response.end());
    const server = await serve(
      (_, response) => response.writeHead(302, { location: `http://api.test:${plain.port}/` }).end(),
      { tls },
    );
    const attempt = httpFor(tls.cert).request({ url: `https://api.test:${server.port}/` });
    await refusal(attempt, EffectDeniedError, "insecure_redirect");
    expect(plain.connections()).toBe(0);
  });
});
