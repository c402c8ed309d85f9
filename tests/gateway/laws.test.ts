/** Laws of the gateway's small parts, on generated data. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aliasOf, gatewayServer } from "../../src/gateway/config/server.js";
import { expandVariables } from "../../src/gateway/config/expand.js";
import { recognise } from "../../src/gateway/mapping/reference-servers.js";
import { fillTemplate, parseTemplate } from "../../src/gateway/mapping/template.js";
import { skeletonOf } from "../../src/gateway/pins/near-equal.js";
import { unseenCharacters } from "../../src/gateway/pins/suspicious-text.js";
import { hashOfTool, pinnedPart } from "../../src/gateway/pins/tool-hash.js";
import { idKey, readRpcMessage } from "../../src/gateway/protocol/json-rpc.js";
import { LineReader } from "../../src/gateway/protocol/line-reader.js";
import { isNestedDeeper } from "../../src/gateway/protocol/nesting.js";
import { decodeCursor, encodeCursor } from "../../src/gateway/session/cursor.js";
import { undeclaredArgument } from "../../src/gateway/session/declared-arguments.js";
import { Naming } from "../../src/gateway/session/naming.js";
import { readEventStream } from "../../src/gateway/upstream/event-stream.js";
import { upstreamEnvironment } from "../../src/gateway/upstream/environment.js";
import { ledgerOf } from "../../src/core/audit.js";
import { capability, covers, parseCapability } from "../../src/model/capability/index.js";
import { couldBeAllowed } from "../../src/model/could-be-allowed.js";
import { decide } from "../../src/model/decide.js";
import type { JsonObject, JsonValue } from "../../src/model/json.js";
import { createPipeline, type Pipeline } from "../../src/pipeline.js";

describe("messages", () => {
  test("however a stream is cut, the same messages come out", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), fc.array(fc.nat(40)), (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
        const read: JsonValue[] = [];
        const reader = new LineReader({ bytesMax: 1e6, depthMax: 64 }, (line) => {
          if (line.kind === "value") read.push(line.value);
        });
        let at = 0;
        for (const cut of cuts) {
          reader.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        reader.push(bytes.subarray(at));
        expect(JSON.stringify(read)).toBe(JSON.stringify(values));
      }),
    );
  });

  test("a long line costs its length, and one that is too long ends the stream", () => {
    const reader = new LineReader({ bytesMax: 1_000, depthMax: 64 }, () => undefined);
    expect(reader.push(Buffer.alloc(999, 0x20))).toBe(true);
    expect(reader.push(Buffer.alloc(2, 0x20))).toBe(false);
  });

  test("nesting is counted outside of texts alone", () => {
    expect(isNestedDeeper(Buffer.from('{"a":"[[[[\\"[[["}'), 1)).toBe(false);
    expect(isNestedDeeper(Buffer.from('{"a":[1]}'), 1)).toBe(true);
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const depth = depthOf(value);
        expect(isNestedDeeper(Buffer.from(JSON.stringify(value)), depth)).toBe(false);
        if (depth > 0) expect(isNestedDeeper(Buffer.from(JSON.stringify(value)), depth - 1)).toBe(true);
      }),
    );
  });

  test("texts that are searched end where texts that are walked through do", () => {
    const filler = fc.constantFrom("a", "[", "{", "]", "\\", '"', "ü", "\n", "\u0001");
    const text = fc
      .array(fc.tuple(filler, fc.constantFrom(1, 2, 3, 254, 255, 256, 257, 600)), { maxLength: 8 })
      .map((runs) => runs.map(([unit, length]) => unit.repeat(length)).join(""));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), fc.nat(3_000), fc.nat(3), (texts, cut, most) => {
        const bytes = Buffer.from(JSON.stringify(texts.map((each) => ({ [each]: [each] }))));
        for (const part of [bytes, bytes.subarray(cut), bytes.subarray(0, cut)])
          expect(isNestedDeeper(part, most)).toBe(nestsDeeper(part, most));
      }),
    );
  });

  test("whatever JSON it is, it is read as one kind of message and never throws", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        (value) => void expect(readRpcMessage(value as JsonValue).kind).toBeTypeOf("string"),
      ),
    );
    expect(idKey(1)).not.toBe(idKey("1"));
  });

  test("however an event stream is cut, the same events come out", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[a-z {}é\u2028]{0,20}$/), { minLength: 1 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.integer({ min: 1, max: 9 }),
        async (texts, end, size) => {
          const bytes = Buffer.from(texts.map((text) => `data: x${text}${end}${end}`).join(""));
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
            bytes.subarray(n * size, (n + 1) * size),
          );
          const read: string[] = [];
          for await (const event of readEventStream(stream(chunks), 1_000))
            if (event.type === "message") read.push(event.data);
          expect(read).toEqual(texts.map((text) => `x${text}`));
        },
      ),
    );
  });
});

describe("names", () => {
  const server = (name: string) =>
    gatewayServer(name, { kind: "http", url: "http://127.0.0.1/", headers: [] }, undefined, new Map());

  test("mcpatk-16 what a client calls means one tool of one server, and comes back as the same", () => {
    const name = fc.stringMatching(/^[a-z_-]{1,8}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { minLength: 2, maxLength: 4, selector: aliasOf }),
        name,
        (names, tool) => {
          const list = names.map(server);
          const naming = new Naming(list);
          const shown = list.map((each) => naming.shown(each, tool));
          expect(new Set(shown).size).toBe(shown.length);
          for (const [index, each] of list.entries())
            expect(naming.meant(shown[index] ?? "")).toEqual({ server: each, name: tool });
        },
      ),
    );
  });

  test("look-alikes have one skeleton, and other names another one", () => {
    for (const twin of [
      "read-file",
      "READ_FILE",
      "readFile",
      "reаd_file",
      "read_fіle",
      "read file ",
      "ｒead_file",
    ])
      expect(skeletonOf(twin), twin).toBe(skeletonOf("read_file"));
    expect(skeletonOf("read_files")).not.toBe(skeletonOf("read_file"));
  });

  test("reference servers are known by their package as a word or in a path, and by nothing that contains its name", () => {
    const npm = "@modelcontextprotocol/server-filesystem";
    for (const args of [
      ["-y", npm, "/a"],
      [`${npm}@2026.8.31`],
      [`/x/node_modules/${npm}/dist/index.js`],
      [`C:\\x\\${npm.replace("/", "\\")}\\dist`],
    ])
      expect(recognise("npx", args), args.join(" ")).toBe("filesystem");
    expect(recognise("uvx", ["mcp-server-git==1.0", "--repository", "."])).toBe("git");
    for (const args of [["evil-mcp-server-git"], [`${npm}-evil`], ["/home/mcp-server-git-notes/x.js"]])
      expect(recognise("npx", args), args.join(" ")).toBeUndefined();
  });
});

describe("mappings", () => {
  test("whatever an argument holds, the capability names that and nothing wider (C7)", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        for (const text of [
          "crm:update:accounts/{id}",
          "fs:read:{id}",
          "memory:read:{id}",
          "os:process:{id}",
        ]) {
          let filled: readonly string[];
          try {
            filled = fillTemplate(parseTemplate(text), { id: value });
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^invalid_(capability|argument)$/);
            continue;
          }
          expect(parseCapability(filled[0] ?? "").wildcards, filled[0]).toBe(0);
        }
      }),
    );
  });

  test("below a folder is the folder and all in it", () => {
    const below = parseTemplate("fs:list:{path}/**");
    expect(fillTemplate(below, { path: "/a*" })).toEqual(["fs:list:/a\\*/**"]);
    expect(fillTemplate(below, { path: "/" })).toEqual(["fs:list:/**"]);
    expect(covers("fs:list:/a/**", fillTemplate(below, { path: "/a" })[0] ?? "")).toBe(true);
    expect(fillTemplate(parseTemplate("fs:read:{paths}"), { paths: ["/a", "/b"] })).toEqual([
      "fs:read:/a",
      "fs:read:/b",
    ]);
    expect(fillTemplate(parseTemplate("net:http:GET {url}"), { url: "https://a.example/b?c" })).toEqual([
      "net:http:GET a.example/b",
    ]);
  });

  test.each(["fs:read:/etc/{x}", "net:http:https://{host}/", "x:y:{a}{b}", "x:y:*", "x", "X:y", "x:y:a//b"])(
    "%s is no template",
    (text) =>
      expect(() => parseTemplate(text)).toThrow(expect.objectContaining({ code: "invalid_template" })),
  );

  test("arguments that a schema does not declare, where it says what there is", () => {
    const properties = { a: {} };
    expect(undeclaredArgument({ properties }, { a: 1, b: 2 })).toBe("b");
    expect(
      undeclaredArgument(
        { properties, additionalProperties: false },
        JSON.parse('{"__proto__":1}') as JsonObject,
      ),
    ).toBe("__proto__");
    for (const open of [
      { additionalProperties: true },
      { additionalProperties: {} },
      { patternProperties: {} },
      { anyOf: [] },
    ])
      expect(undeclaredArgument({ properties, ...open }, { b: 2 })).toBeUndefined();
    expect(undeclaredArgument({ type: "object" }, { b: 2 })).toBeUndefined();
  });
});

describe("small things", () => {
  test("a pin is of what a model is told, in whatever order it is written", () => {
    const tool = {
      name: "t",
      description: "d",
      inputSchema: { type: "object", properties: { a: {} } },
      _meta: { x: 1 },
    };
    const again = { inputSchema: { properties: { a: {} }, type: "object" }, description: "d", name: "t" };
    expect(hashOfTool(pinnedPart(tool))).toBe(hashOfTool(pinnedPart(again)));
    for (const other of [{ title: "T" }, { annotations: {} }, { outputSchema: {} }, { description: "d " }])
      expect(hashOfTool(pinnedPart({ ...tool, ...other }))).not.toBe(hashOfTool(pinnedPart(tool)));
  });

  test("characters that are not seen are named, ordinary text is not", () => {
    expect(unseenCharacters("a\u202eb\u{e0041}\u200b\u001b")).toEqual([
      "U+202E",
      "U+E0041",
      "U+200B",
      "U+001B",
    ]);
    expect(unseenCharacters("Größe: 5 €\n\t日本 ✓ ❤️")).toEqual([]);
  });

  test("a cursor of several servers is one that comes back, and anything else is none", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string())), (pairs) => {
        const places = new Map(pairs);
        expect(decodeCursor(encodeCursor(places))).toEqual(places);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void decodeCursor(text)));
    for (const cursor of [
      1,
      null,
      "x",
      Buffer.from("[1]").toString("base64url"),
      Buffer.from('[["a"]]').toString("base64url"),
    ])
      expect(decodeCursor(cursor)).toBeUndefined();
  });

  test("variables are filled in once, and what is not set is an error that tells nothing", () => {
    const env = { A: "${B}", B: "secret", EMPTY: "" };
    expect(expandVariables("x${A}y${C:-d}${EMPTY:-e}", env)).toBe("x${B}yde");
    expect(() => expandVariables("${B}${NONE}", env)).toThrow(
      expect.objectContaining({ code: "unset_variable" }),
    );
    expect(() => expandVariables("${B}${NONE}", env)).not.toThrow(/secret/);
  });

  test("an upstream's environment is small, and its own values win", () => {
    const from = { PATH: "/bin", SECRET: "s", BASH_FUNC: "() { :; }", USER: "() { evil; }", LISTED: "l" };
    expect(upstreamEnvironment(from, { PATH: "/own" }, ["LISTED", "BASH_FUNC"])).toEqual({
      PATH: "/own",
      LISTED: "l",
    });
  });
});

describe("lists and calls agree", () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await createPipeline({ database: ":memory:" });
  });
  afterAll(() => pipeline.close());

  test("what could be decided is never hidden, and what is shown by name could be (D1)", async () => {
    const names = ["a", "b", "ab", "*", "a/b"];
    const pattern = fc.constantFrom(
      "mcp:call:s/a",
      "mcp:call:s/*",
      "mcp:call:**",
      "mcp:call:s/a*",
      "mcp:read:s/**",
      "mcp:call:t/**",
    );
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(pattern, fc.boolean(), fc.boolean()), { maxLength: 4 }),
        async (grants) => {
          const agentId = `agent-${++n}`;
          for (const [text, revoked, spent] of grants) {
            const constraints = spent
              ? { max_uses: 1, except: ["s/b"].filter(() => text.includes(":s/*")) }
              : {};
            const contract = await pipeline.capabilityManager.issue({
              capability: text,
              issuedTo: agentId,
              issuedBy: "t",
            });
            const { id } = await pipeline.bindingManager.bind({
              agentId,
              capability: text,
              contractId: contract.id,
              createdBy: "t",
              constraints,
            });
            if (revoked) await pipeline.bindingManager.unbind(id, { revokedBy: "t" });
          }
          const ledger = ledgerOf(pipeline.audit);
          for (const name of names) {
            const asked = parseCapability(capability("mcp", "call", "s", name));
            const request = {
              agentId,
              workflowId: "w",
              stepId: "s",
              requirements: [asked],
              ceiling: [],
              params: {},
            };
            const { allowed } = decide(request, ledger.state, ledger.now());
            expect(
              couldBeAllowed(agentId, asked, ledger.state, ledger.now()),
              `${name} ${JSON.stringify(grants)}`,
            ).toBe(allowed);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** The slow second opinion: byte by byte. */
function nestsDeeper(text: Uint8Array, most: number): boolean {
  let [depth, quoted, escaped] = [0, false, false];
  for (const byte of text) {
    const unit = String.fromCharCode(byte);
    if (escaped) escaped = false;
    else if (quoted && unit === "\\") escaped = true;
    else if (unit === '"') quoted = !quoted;
    else if (!quoted && "[{".includes(unit) && ++depth > most) return true;
    else if (!quoted && "]}".includes(unit)) depth--;
  }
  return false;
}
