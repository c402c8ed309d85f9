/** What is passed on in the bytes in which it came: it has to mean to every reader what was judged. */
import { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineReader } from "../../src/gateway/protocol/line-reader.js";
import { LineWriter } from "../../src/gateway/protocol/line-writer.js";
import { plainSpans, type Span } from "../../src/gateway/protocol/plain-spans.js";
import type { JsonObject, JsonValue } from "../../src/model/json.js";

const spansOf = (text: string, depthMax = 64) => plainSpans(Buffer.from(text), depthMax);

describe("text that means one thing to every reader", () => {
  const key = fc.stringMatching(/^[a-z_. äß-]{0,6}$/);
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<JsonValue>(null, true, false, 0, 1e21, 5e-324, 0.1, -7),
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.constantFrom("x".repeat(700), `${'"\\'.repeat(400)}]}`, "{[,"),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }) as fc.Arbitrary<JsonValue>,
    ),
  }));

  test("its values stand where they are said to", () => {
    fc.assert(
      fc.property(value, (value) => {
        const text = Buffer.from(JSON.stringify(value));
        const check = (of: JsonValue | undefined, { start, end, members }: Span): void => {
          expect(JSON.stringify(JSON.parse(text.toString("utf8", start, end)))).toBe(JSON.stringify(of));
          for (const [name, member] of members ?? []) check((of as JsonObject)[name], member);
          if (members !== undefined) expect(members.size).toBe(Object.keys(of as JsonObject).length);
        };
        const span = plainSpans(text, 64);
        expect(span).toBeDefined();
        if (span !== undefined) check(value, span);
      }),
    );
  });

  test("anything between its tokens, and it is none", () => {
    fc.assert(
      fc.property(value, fc.constantFrom(" ", "\r", "\n", "\t"), fc.nat(), (value, space, nth) => {
        const tokens = JSON.stringify(value).match(/"(?:[^"\\]|\\.)*"|[^",:[\]{}]+|[,:[\]{}]/g) ?? [];
        tokens.splice(nth % (tokens.length + 1), 0, space);
        expect(spansOf(tokens.join(""))).toBeUndefined();
      }),
    );
  });

  test.each([
    ["a member twice", '{"a":1,"b":2,"a":3}'],
    ["a member twice, deep down", '{"a":[{"b":{"c":1,"c":1}}]}'],
    ["a member in another spelling", '{"\\u0061":1}'],
    ["a number that is rounded", "[9007199254740993]"],
    ["a number that is none to some", "[1e400]"],
    ["a number in another spelling", "[1.0]"],
    ["an exponent in another spelling", "[1E2]"],
    ["minus zero", "[-0]"],
    ["more than one value", "1,2"],
    ["a bracket that does not fit", '{"a":[1}]'],
    ["a comma too many", "[1,]"],
    ["an end too early", '{"a":"b'],
    ["nothing", ""],
    ["many values", JSON.stringify(Array.from({ length: 300 }, () => 1))],
  ])("%s", (_what, text) => expect(spansOf(text)).toBeUndefined());

  test("deeper than is taken", () => {
    expect(spansOf('{"a":[1]}', 2)).toBeDefined();
    expect(spansOf('{"a":[1]}', 1)).toBeUndefined();
    expect(spansOf("[[1],[2],{}]", 2)).toBeDefined();
  });
});

describe("a message that was read and is written", () => {
  const long = "x".repeat(20_000);

  function read(text: string): JsonObject {
    const values: JsonValue[] = [];
    const reader = new LineReader({ bytesMax: 1e6, depthMax: 64 }, (line) => {
      if (line.kind === "value") values.push(line.value);
    });
    reader.push(Buffer.from(`${text}\n`));
    return values[0] as JsonObject;
  }

  async function written(message: JsonObject): Promise<string> {
    const chunks: Buffer[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    new LineWriter(stream, { onDrain: () => undefined, onGone: () => undefined }).write(message);
    await new Promise((resolve) => setImmediate(resolve));
    return Buffer.concat(chunks).toString("utf8");
  }

  test("a result goes out as it came, under another id", async () => {
    // A spelling that would not be written here: so it shows that the bytes are the server's own.
    const result = `{"z":"\\u0078${long}","a":[1,{"b":null}]}`;
    const message = read(`{"jsonrpc":"2.0","id":7,"result":${result}}`);
    expect(await written({ ...message, id: "a" })).toBe(`{"jsonrpc":"2.0","id":"a","result":${result}}\n`);
  });

  test("arguments go out as they came, beside a name and a token that are others", async () => {
    const args = `{"text":"\\/${long}"}`;
    const message = read(
      `{"id":1,"method":"tools/call","params":{"name":"a__b","arguments":${args},"_meta":{"progressToken":1}}}`,
    );
    const params = { ...(message["params"] as JsonObject), name: "b", _meta: { progressToken: 9 } };
    expect(await written({ ...message, params })).toBe(
      `{"id":1,"method":"tools/call","params":{"name":"b","arguments":${args},"_meta":{"progressToken":9}}}\n`,
    );
  });

  test.each([
    ["a member twice", `{"a":"${long}","b":1,"b":2}`, { a: long, b: 2 }],
    ["a large number", `{"a":"${long}","b":12345678901234567890}`, { a: long, b: 12345678901234567000 }],
    ["the end of a line, to some readers", `{"a":"${long}",\r"b":1}`, { a: long, b: 1 }],
  ])("what could mean another thing is written anew: %s", async (_what, text, meant) => {
    const message = read(`{"id":1,"method":"m","params":{"arguments":${text}}}`);
    expect(await written(message)).toBe(
      `${JSON.stringify({ id: 1, method: "m", params: { arguments: meant } })}\n`,
    );
  });

  test("what was read is what is written, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), fc.boolean(), async (value, isLarge) => {
        const part = { value: value as JsonValue, ...(isLarge ? { long } : {}) };
        const message = { jsonrpc: "2.0", id: 1, params: { arguments: part, more: part }, result: part };
        const again = { ...read(JSON.stringify(message)), id: 2 };
        expect(JSON.parse(await written(again))).toEqual(JSON.parse(JSON.stringify({ ...message, id: 2 })));
      }),
      { numRuns: 50 },
    );
  });
});
