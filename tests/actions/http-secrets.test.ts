import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHttpHandle } from "../../src/actions/handles/http.js";
import { environmentSecrets, fileSecrets } from "../../src/actions/handles/secrets.js";
import type { SecretProvider } from "../../src/core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate } from "./test-gate.js";

const token = 's3cr3t/"tök€n"+\u00ff end';
const key = "plain-ascii-key-0123";
const provider: SecretProvider = {
  resolve: (name) => Promise.resolve(new Map(Object.entries({ token, key })).get(name)),
};

const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
async function serve(...settings: Parameters<typeof startHttp>): Promise<RunningServer> {
  const server = await startHttp(...settings);
  servers.push(server);
  return server;
}

function handleFor(server: RunningServer, secrets: SecretProvider | undefined = provider) {
  const url = `http://127.0.0.1:${server.port}`;
  const gate = createTestGate({
    grants: [`net:http:${url}/**`, `net:http:POST ${url}/**`, "net:http:POST http://127.0.0.2:*/**"].slice(
      0,
      2,
    ),
    allowPrivate: ["127.0.0.0/8"],
  });
  return { http: createHttpHandle(gate, { secrets }), gate, url };
}

describe("secret references in a request", () => {
  test("are filled in on the wire and stay references in the journal", async () => {
    const server = await serve((_, response) => response.end("ok"));
    const { http, gate, url } = handleFor(server);
    const headers = { authorization: "Bearer secret://key" };
    await http.request({ url, method: "POST", headers, body: "a=secret://token&b=secret://key;" });
    expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(server.requests[0]?.body).toBe(`a=${token}&b=${key};`);
    expect(gate.effects[0]?.request).toMatchObject({ headers, body: "a=secret://token&b=secret://key;" });
    expect(JSON.stringify(gate.effects)).not.toContain(key);
  });

  test("are not looked for in what a secret holds", async () => {
    const server = await serve((_, response) => response.end("ok"));
    const nested = {
      resolve: (name: string) => Promise.resolve(name === "a" ? "secret://b and more" : "leak"),
    };
    const { http, url } = handleFor(server, nested);
    await http.request({ url, method: "POST", body: "secret://a" });
    expect(server.requests[0]?.body).toBe("secret://b and more");
  });

  test("are not filled into the URL, which logs and proxies keep", async () => {
    const server = await serve((_, response) => response.end("ok"));
    const { http, url } = handleFor(server);
    await http.request({ url: `${url}/?k=secret://key` });
    expect(server.requests[0]?.path).toBe("/?k=secret://key");
  });

  test.each([
    ["an unknown name", "secret://nobody", "unknown_secret"],
    ["a name of every object", "secret://constructor", "unknown_secret"],
    ["a value too short to be redacted", "secret://short", "invalid_secret"],
    ["a value that would begin another header", "secret://lines", "invalid_secret"],
  ])("with %s fail before anything is connected", async (_, value, code) => {
    const server = await serve((__, response) => response.end());
    const known = new Map([
      ["short", "1234567"],
      ["lines", "one\r\ntwo: 3"],
    ]);
    const { http, url } = handleFor(server, { resolve: (name) => Promise.resolve(known.get(name)) });
    await refusal(http.request({ url, headers: { a: value } }), EffectFailedError, code);
    expect(server.connections()).toBe(0);
  });

  test("without a provider there are no secrets", async () => {
    const server = await serve((_, response) => response.end());
    const { http, url } = handleFor(server, { resolve: () => Promise.resolve(undefined) });
    const gate = createTestGate({ grants: [`net:http:${url}/**`], allowPrivate: ["127.0.0.0/8"] });
    for (const handle of [http, createHttpHandle(gate)]) {
      const attempt = handle.request({ url, headers: { a: "secret://key" } });
      await refusal(attempt, EffectFailedError, "unknown_secret");
    }
  });

  test("are not resolved for a request that is refused", async () => {
    let resolved = 0;
    const counting: SecretProvider = {
      resolve() {
        resolved += 1;
        return Promise.resolve("a secret of some length");
      },
    };
    const gate = createTestGate({ grants: ["net:http"] });
    const http = createHttpHandle(gate, { secrets: counting });
    const headers = { a: "secret://key" };
    const inner = http.request({ url: "http://127.0.0.1/", headers });
    await refusal(inner, EffectDeniedError, "private_address");
    const forbidden = http.request({ url: "http://8.8.8.8/", headers: { ...headers, host: "x" } });
    await refusal(forbidden, EffectDeniedError, "forbidden_header");
    expect(resolved).toBe(0);
  });
});

describe("secrets across redirects", () => {
  async function redirectTo(location: (secret: string) => string, status = 307) {
    const target = await serve((_, response) => response.end("target"), { address: "127.0.0.2" });
    const server = await serve((request, response) =>
      response
        .writeHead(status, {
          location: location(String(request.headers["x-key"])).replace("PORT", `${target.port}`),
        })
        .end(),
    );
    const gate = createTestGate({
      grants: [
        "net:http",
        `net:http:POST http://127.0.0.1:${server.port}/**`,
        `net:http:POST http://127.0.0.2:${target.port}/**`,
      ],
      allowPrivate: ["127.0.0.0/8"],
    });
    return {
      target,
      gate,
      http: createHttpHandle(gate, { secrets: provider }),
      url: `http://127.0.0.1:${server.port}`,
    };
  }

  test("headers with a secret are dropped at another origin, even those that are harmless otherwise", async () => {
    const { http, url, target } = await redirectTo(() => "http://127.0.0.2:PORT/");
    await http.request({ url, headers: { "x-key": "secret://key", "user-agent": "me secret://key" } });
    expect(target.requests[0]?.headers["x-key"]).toBeUndefined();
    expect(target.requests[0]?.headers["user-agent"]).toBe("synapse-pipeline");
  });

  test("a body with a secret is not sent to another origin", async () => {
    const { http, url, target } = await redirectTo(() => "http://127.0.0.2:PORT/");
    const attempt = http.request({ url, method: "POST", body: "secret://key" });
    await refusal(attempt, EffectDeniedError, "insecure_redirect");
    expect(target.connections()).toBe(0);
  });

  test("a body without one is", async () => {
    const { http, url, target } = await redirectTo(() => "http://127.0.0.2:PORT/");
    await http.request({ url, method: "POST", headers: { "x-key": "secret://key" }, body: "plain" });
    expect(target.requests).toMatchObject([{ body: "plain" }]);
  });

  test.each([
    ["in the path", (secret: string) => `http://127.0.0.2:PORT/${secret}`],
    ["in the query, encoded", (secret: string) => `/?${Buffer.from(secret).toString("base64")}`],
  ])("a server cannot have a secret carried away %s of a redirect", async (_, location) => {
    const { http, url, target, gate } = await redirectTo(location);
    const attempt = http.request({ url, headers: { "x-key": "secret://key" } });
    const error = await refusal(attempt, EffectFailedError, "bad_response");
    expect(target.connections()).toBe(0);
    expect(error.message + JSON.stringify(gate.effects)).not.toContain(key);
  });
});

describe("a secret that comes back", () => {
  const spellings: readonly (readonly [string, (secret: string) => string | Buffer])[] = [
    ["as it is", (secret) => secret],
    ["in JSON", (secret) => JSON.stringify({ secret })],
    ["in a URL", (secret) => encodeURIComponent(secret)],
    ["in a form", (secret) => new URLSearchParams({ secret: secret }).toString()],
    ["in hexadecimal", (secret) => Buffer.from(secret).toString("hex")],
    ["in base64", (secret) => Buffer.from(secret).toString("base64")],
    ["in base64 after a user name", (secret) => Buffer.from(`me:${secret}`).toString("base64")],
    ["in base64 after a longer name", (secret) => Buffer.from(`user:${secret}!`).toString("base64")],
    ["in base64url", (secret) => Buffer.from(`${secret}x`).toString("base64url")],
    [
      "among bytes that are no text",
      (secret) => Buffer.concat([Buffer.from([0xff, 0]), Buffer.from(secret)]),
    ],
  ];
  test.each(spellings)("%s is replaced by its name", async (_, spell) => {
    for (const [name, value] of Object.entries({ token, key })) {
      const server = await serve((__, response) =>
        response.end(Buffer.concat([Buffer.from("<"), Buffer.from(spell(value)), Buffer.from(">")])),
      );
      const { http, url } = handleFor(server);
      const response = await http.request({ url, method: "POST", body: `secret://${name}` });
      const body =
        "text" in response ? response.text : Buffer.from(response.bytes.$bytes, "base64").toString("latin1");
      expect(body).toContain(`[redacted secret://${name}]`);
      // What is left around the note is less than the secret's first eight characters in any spelling.
      expect(body.replace(`[redacted secret://${name}]`, "").length).toBeLessThan(16);
    }
  });

  test("in a header is replaced, too", async () => {
    const server = await serve((request, response) =>
      response.writeHead(200, { "x-echo": [`${String(request.headers["x-key"])}`, "b"] }).end(),
    );
    const { http, url } = handleFor(server);
    const { headers } = await http.request({ url, headers: { "x-key": "k=secret://key" } });
    expect(headers).toEqual({ "x-echo": "k=[redacted secret://key], b" });
  });

  test("twice, and next to a secret that contains it", async () => {
    const longer = `${key}-and-more`;
    const secrets = new Map([
      ["key", key],
      ["longer", longer],
    ]);
    const server = await serve((_, response) => response.end(`${key} ${longer} ${key}`));
    const { http, url } = handleFor(server, { resolve: (name) => Promise.resolve(secrets.get(name)) });
    const response = await http.request({ url, method: "POST", body: "secret://key secret://longer " });
    expect(response).toMatchObject({
      text: "[redacted secret://key] [redacted secret://longer] [redacted secret://key]",
    });
  });
});

describe("where secrets come from", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "synapse-secrets-"));
  });
  afterEach(async () => {
    delete process.env["SYNAPSE_SECRET_test"];
    delete process.env["SYNAPSE_SECRET_empty"];
    await rm(folder, { recursive: true });
  });

  test("the environment, under a prefix only", async () => {
    process.env["SYNAPSE_SECRET_test"] = "from the environment";
    process.env["SYNAPSE_SECRET_empty"] = "";
    const secrets = environmentSecrets();
    expect(await secrets.resolve("test")).toBe("from the environment");
    expect(await secrets.resolve("empty")).toBeUndefined();
    expect(await secrets.resolve("PATH")).toBeUndefined();
    expect(() => environmentSecrets("")).toThrow(TypeError);
  });

  test("a file, its last newline not counted", async () => {
    await writeFile(join(folder, "a"), "value\n\n", { mode: 0o600 });
    await writeFile(join(folder, "b"), "value\r\n", { mode: 0o400 });
    const secrets = fileSecrets(folder);
    expect(await secrets.resolve("a")).toBe("value\n");
    expect(await secrets.resolve("b")).toBe("value");
    expect(await secrets.resolve("c")).toBeUndefined();
    expect(() => fileSecrets("relative")).toThrow(TypeError);
  });

  test.each([0o640, 0o604, 0o620, 0o601])(
    "a file that others have access to is refused: %i",
    async (mode) => {
      await writeFile(join(folder, "a"), "value");
      await chmod(join(folder, "a"), mode);
      await symlink("a", join(folder, "link"));
      const secrets = fileSecrets(folder);
      await refusal(secrets.resolve("a"), EffectFailedError, "insecure_secret");
      await refusal(secrets.resolve("link"), EffectFailedError, "insecure_secret");
    },
  );

  test("what is not a small file of text is refused", async () => {
    await writeFile(join(folder, "large"), "x".repeat(65 * 1024), { mode: 0o600 });
    await writeFile(join(folder, "binary"), Buffer.from([0xff]), { mode: 0o600 });
    execFileSync("mkfifo", ["-m", "600", join(folder, "fifo")]);
    const secrets = fileSecrets(folder);
    for (const name of ["large", "binary", "fifo"]) {
      await refusal(secrets.resolve(name), EffectFailedError, "invalid_secret");
    }
    for (const name of [".", "..", "../a", "/etc/passwd"])
      expect(await secrets.resolve(name)).toBeUndefined();
  });
});
