import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isInBlocks, isPublicAddress, type Lookup } from "../../src/actions/handles/http-address.js";
import { canonicalUrl, httpCapability } from "../../src/actions/handles/http-url.js";
import { createHttpHandle } from "../../src/actions/handles/http.js";
import { CapabilitySyntaxError, EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";
import { refusal } from "./fixtures/http-refusal.js";
import { startHttp, type RunningServer } from "./fixtures/http-server.js";
import { createTestGate } from "./test-gate.js";

const servers: RunningServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

/** A server that must never see a connection. */
async function canary(address = "127.0.0.1", port = 0): Promise<RunningServer> {
  const server = await startHttp((_, response) => response.end("reached"), { address, port });
  servers.push(server);
  return server;
}

interface CollectedUrls {
  readonly cases: readonly { readonly url: string }[];
}
function readUrls(file: string): readonly string[] {
  return (JSON.parse(readFileSync(file, "utf8")) as CollectedUrls).cases.map(({ url }) => url);
}

/** The capability that the URL needs; undefined where there can be none. */
function capabilityOrRefusal(url: string): string | undefined {
  try {
    return httpCapability("GET", url);
  } catch (error) {
    expect(error, url).toBeInstanceOf(CapabilitySyntaxError);
    return undefined;
  }
}

/** All of `net:http`, so that only the addresses stand in the way. */
function httpWith(lookup: Lookup, allowPrivate: readonly string[] = []) {
  const gate = createTestGate({ grants: ["net:http"], allowPrivate });
  return { http: createHttpHandle(gate, { lookup }), gate };
}

const answers =
  (...addresses: string[]): Lookup =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));

const never: Lookup = () => Promise.reject(new Error("an IP literal was given to the resolver"));

const privateAddresses = [
  ["loopback", "127.0.0.1"],
  ["loopback, not the usual one", "127.255.255.254"],
  ["this host", "0.0.0.0"],
  ["this network", "0.1.2.3"],
  ["RFC 1918", "10.0.0.1"],
  ["RFC 1918", "172.16.0.1"],
  ["RFC 1918", "192.168.1.1"],
  ["CGNAT", "100.64.0.1"],
  ["CGNAT, Alibaba metadata", "100.100.100.200"],
  ["link-local, metadata", "169.254.169.254"],
  ["Azure WireServer", "168.63.129.16"],
  ["IETF assignments, Oracle metadata", "192.0.0.192"],
  ["documentation", "192.0.2.1"],
  ["benchmarking", "198.18.0.1"],
  ["multicast", "224.0.0.1"],
  ["reserved", "240.0.0.1"],
  ["broadcast", "255.255.255.255"],
  ["6to4 relay", "192.88.99.1"],
  ["loopback", "::1"],
  ["unspecified", "::"],
  ["mapped loopback", "::ffff:127.0.0.1"],
  ["mapped metadata", "::ffff:169.254.169.254"],
  ["mapped, in hexadecimal", "::ffff:7f00:1"],
  ["compatible loopback", "::127.0.0.1"],
  ["translated", "::ffff:0:127.0.0.1"],
  ["NAT64 of loopback", "64:ff9b::7f00:1"],
  ["NAT64 of metadata", "64:ff9b::a9fe:a9fe"],
  ["local NAT64", "64:ff9b:1::7f00:1"],
  ["6to4 of loopback", "2002:7f00:1::"],
  ["6to4 of 10.0.0.1", "2002:a00:1::1"],
  ["Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  ["link-local", "fe80::1"],
  ["site-local", "fec0::1"],
  ["unique local", "fd00:ec2::254"],
  ["multicast", "ff02::1"],
  ["documentation", "2001:db8::1"],
  ["discard", "100::1"],
  ["never assigned", "1::1"],
  ["never assigned", "4000::1"],
] as const;

describe("addresses that are not public", () => {
  test.each(privateAddresses)("a name at an address that is %s: %s", async (_, address) => {
    const { http, gate } = httpWith(answers(address));
    await refusal(http.request({ url: "http://inner.test/" }), EffectDeniedError, "private_address");
    expect(gate.effects).toMatchObject([{ outcome: "denied", code: "private_address" }]);
  });

  test.each(privateAddresses)("as a literal, %s: %s", async (_, address) => {
    const { http } = httpWith(never);
    const host = address.includes(":") ? `[${address}]` : address;
    await refusal(http.request({ url: `http://${host}/` }), EffectDeniedError, "private_address");
  });

  test("public ones are not among them", () => {
    for (const address of ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]) {
      expect(isPublicAddress(address), address).toBe(true);
    }
  });

  test.each(["", "localhost", "127.1", "2130706433", "0x7f000001", "fe80::1%eth0", "2606:4700::1111%eth0"])(
    "text that is no plain address is not public: %j",
    (text) => expect(isPublicAddress(text)).toBe(false),
  );

  test.each(["inner.test", "127.1", ""])(
    "a resolver that answers %j instead of an address",
    async (address) => {
      const { http } = httpWith(() => Promise.resolve([{ address, family: 4 }]));
      await refusal(http.request({ url: "http://a.test/" }), EffectFailedError, "dns_failed");
    },
  );

  test("a resolver that answers with a network interface", async () => {
    const { http } = httpWith(answers("2606:4700::1111%lo"));
    await refusal(http.request({ url: "http://a.test/" }), EffectDeniedError, "private_address");
  });

  test("the address itself is not told to the agent", async () => {
    const { http } = httpWith(answers("10.11.12.13"));
    const error = await refusal(
      http.request({ url: "http://inner.test/" }),
      EffectDeniedError,
      "private_address",
    );
    expect(`${error.message} ${error.hint}`).not.toContain("10.11.12.13");
  });

  test.each(["127.0.0.1.", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]"])(
    "a spelling of 127.0.0.1 that has one canonical form: %s",
    async (host) => {
      const server = await canary();
      const { http } = httpWith(never);
      const attempt = http.request({ url: `http://${host}:${server.port}/` });
      await refusal(attempt, EffectDeniedError, "private_address");
      expect(server.connections()).toBe(0);
    },
  );

  test.each([
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "①②⑦.⓪.⓪.①",
    "１２７.0.0.1",
    "127。0。0。1",
    "[::1%25lo]",
    "a@127.0.0.1",
    "a:b@127.0.0.1",
    "8.8.8.8@127.0.0.1",
    "127.0.0.1\\@8.8.8.8",
    "127.0.0.1%2f@8.8.8.8",
    "127.0.0.1%00.test",
    "127.0.0.1\t",
  ])("a spelling of 127.0.0.1 that parsers disagree on: %j", async (host) => {
    const server = await canary();
    const { http } = httpWith(never);
    const attempt = http.request({ url: `http://${host}:${server.port}/` });
    await refusal(attempt, CapabilitySyntaxError, "invalid_capability");
    expect(server.connections()).toBe(0);
  });

  test("userinfo is refused as syntax, so it is never sent as a credential either", async () => {
    const { http } = httpWith(answers("8.8.8.8"));
    await refusal(
      http.request({ url: "https://me:pw@a.test/" }),
      CapabilitySyntaxError,
      "invalid_capability",
    );
  });
});

const vectors = resolve(import.meta.dirname, "../..", process.env["SYNAPSE_VECTORS"] ?? "../shared/vectors");
const ssrfFile = resolve(vectors, "3-glob-path-url/ssrf-urls.json");
if (!existsSync(ssrfFile)) console.warn(`skipped: no collected URLs at ${ssrfFile}`);

describe.skipIf(!existsSync(ssrfFile))("collected URLs that led servers into their own network", () => {
  const urls = existsSync(ssrfFile) ? readUrls(ssrfFile) : [];

  test("reach nothing, whatever is granted, when names lead to loopback", async () => {
    const { http } = httpWith(answers("127.0.0.1"));
    let accepted = 0;
    for (const url of urls) {
      const asked = capabilityOrRefusal(url);
      if (asked === undefined) {
        await refusal(http.request({ url }), CapabilitySyntaxError, "invalid_capability");
        continue;
      }
      accepted += 1;
      const target = canonicalUrl(url);
      expect(httpCapability("GET", target.href), url).toBe(asked);
      // A few are public literals, which are allowed to be reached: not by a test.
      if (isPublicAddress(target.hostname.replace(/^\[|\]$/g, ""))) continue;
      // Not one of the others gets as far as a connection: that would be `connect_failed`, or worse.
      await refusal(http.request({ url }), EffectDeniedError, "private_address");
    }
    expect(urls.length).toBeGreaterThan(300);
    expect(accepted).toBeGreaterThan(10);
  });
});

test("whatever URL is accepted is sent as what was checked", () => {
  const piece = fc.constantFrom(
    "a",
    "B",
    "é",
    "e\u0301",
    "%41",
    "%7e",
    "%c3%A9",
    "%20",
    "|",
    "[",
    "^",
    "{",
    '"',
    "<",
    "'",
    "*",
    "~",
    "+",
    ";",
    ":",
    "@",
    "=",
    "&",
    "!",
    "$",
    "(",
    ",",
    "/",
    "-",
    ".",
    " ",
    "\u{1F600}",
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, query) => {
      const url = `https://a.test/x${pieces.join("")}${query ? "?q=%zz#f" : ""}`;
      const asked = capabilityOrRefusal(url);
      if (asked === undefined) return;
      accepted += 1;
      expect(httpCapability("GET", canonicalUrl(url).href)).toBe(asked);
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(300);
});

describe("names are resolved once and the answer is what is connected", () => {
  let inner: RunningServer;
  let outer: RunningServer;
  beforeEach(async () => {
    // One port on two addresses: which of them is reached depends on the address alone.
    outer = await startHttp((_, response) => response.end("outer"), { address: "127.0.0.2" });
    servers.push(outer);
    inner = await canary("127.0.0.1", outer.port);
  });

  test("a name that is rebound after the check is never reached at its new address", async () => {
    let lookups = 0;
    const rebinding: Lookup = () => {
      lookups += 1;
      return Promise.resolve([{ address: lookups === 1 ? "127.0.0.2" : "127.0.0.1", family: 4 }]);
    };
    const { http } = httpWith(rebinding, ["127.0.0.2/32"]);
    const url = `http://rebound.test:${outer.port}/`;
    expect(await http.request({ url })).toMatchObject({ text: "outer" });
    expect(lookups).toBe(1);
    await refusal(http.request({ url }), EffectDeniedError, "private_address");
    expect(lookups).toBe(2);
    expect(inner.connections()).toBe(0);
  });

  test("each hop to one name is resolved anew and checked anew", async () => {
    const hops = await startHttp(
      (_, response) => response.writeHead(302, { location: `http://rebound.test:${outer.port}/` }).end(),
      { address: "127.0.0.2" },
    );
    servers.push(hops);
    let lookups = 0;
    const { http } = httpWith(() => {
      lookups += 1;
      return Promise.resolve([{ address: lookups === 1 ? "127.0.0.2" : "127.0.0.1", family: 4 }]);
    }, ["127.0.0.2/32"]);
    const attempt = http.request({ url: `http://rebound.test:${hops.port}/` });
    await refusal(attempt, EffectDeniedError, "private_address");
    expect(lookups).toBe(2);
    expect(inner.connections() + outer.connections()).toBe(0);
  });

  test("one private address among several refuses the name", async () => {
    for (const addresses of [
      ["127.0.0.2", "127.0.0.1"],
      ["127.0.0.1", "127.0.0.2"],
      ["127.0.0.2", "::1"],
    ]) {
      const { http } = httpWith(answers(...addresses), ["127.0.0.2/32"]);
      const attempt = http.request({ url: `http://both.test:${outer.port}/` });
      await refusal(attempt, EffectDeniedError, "private_address");
    }
    expect(inner.connections() + outer.connections()).toBe(0);
  });

  test("of several checked addresses the next is tried when one does not answer", async () => {
    const { http } = httpWith(answers("127.0.0.3", "127.0.0.2"), ["127.0.0.2/31"]);
    expect(await http.request({ url: `http://two.test:${outer.port}/` })).toMatchObject({ text: "outer" });
  });

  test("the resolver is asked for the canonical name and never for a literal", async () => {
    const asked: string[] = [];
    const { http } = httpWith(
      (name) => {
        asked.push(name);
        return Promise.resolve([{ address: "127.0.0.2", family: 4 }]);
      },
      ["127.0.0.2/32"],
    );
    await http.request({ url: `http://API.Test.:${outer.port}/` });
    await http.request({ url: `http://127.0.0.2:${outer.port}/` });
    expect(asked).toEqual(["api.test"]);
    expect(outer.requests[0]?.headers.host).toBe(`api.test:${outer.port}`);
  });

  test("the system's resolver is the default, and what it says of localhost is checked", async () => {
    const gate = createTestGate({ grants: ["net:http"] });
    const attempt = createHttpHandle(gate).request({ url: `http://localhost:${inner.port}/` });
    await refusal(attempt, EffectDeniedError, "private_address");
    expect(inner.connections()).toBe(0);
  });

  test.each([
    ["fails", () => Promise.reject(new Error("SERVFAIL"))],
    ["knows no address", () => Promise.resolve([])],
  ] as const)("a resolver that %s", async (_, lookup) => {
    const { http } = httpWith(lookup);
    await refusal(http.request({ url: "http://a.test/" }), EffectFailedError, "dns_failed");
  });
});

describe("allow_private", () => {
  test.each([
    ["127.0.0.1", ["127.0.0.0/8"], true],
    ["127.0.0.1", ["127.0.0.2/32"], false],
    ["127.0.0.1", ["10.0.0.0/8", "127.0.0.1/32"], true],
    ["::ffff:127.0.0.1", ["127.0.0.0/8"], true],
    ["::1", ["127.0.0.0/8"], false],
    ["::1", ["::1/128"], true],
    ["fd12::7", ["fd12::/16"], true],
    ["64:ff9b::7f00:1", ["127.0.0.0/8"], false],
    ["10.0.0.1", ["10.0.0.1"], false],
    ["10.0.0.1", ["10.0.0.0/33"], false],
    ["10.0.0.1", ["everything"], false],
    ["10.0.0.1", [], false],
  ] as const)("%s in %j: %s", (address, blocks, expected) => {
    expect(isInBlocks(address, blocks)).toBe(expected);
  });
});

describe("proxies", () => {
  const names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
  const before = Object.fromEntries(
    [...names, "NODE_USE_ENV_PROXY"].map((name) => [name, process.env[name]]),
  );
  afterEach(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  test("that the environment names see nothing", async () => {
    let proxied = 0;
    const proxy = createServer((socket) => {
      proxied += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as { port: number };
    for (const name of names) process.env[name] = `http://127.0.0.1:${port}`;
    process.env["NODE_USE_ENV_PROXY"] = "1";
    const server = await canary();
    const { http } = httpWith(never, ["127.0.0.0/8"]);
    expect(await http.request({ url: `http://127.0.0.1:${server.port}/` })).toMatchObject({
      text: "reached",
    });
    expect(proxied).toBe(0);
    await new Promise((resolve) => proxy.close(resolve));
  });
});
