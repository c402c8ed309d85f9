import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/model/canonical.js";
import type { JsonValue } from "../../src/model/json.js";
import { entryBytes, parseEntry } from "../../src/model/proof/entry.js";
import { refusal } from "./fixtures/refusal.js";
import { bytesOf, vectors } from "./fixtures/vectors.js";

const set = vectors("2-jcs");

const numberOf = (hex: string): number => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${hex}`));
  return view.getFloat64(0);
};

describe("canonical form", () => {
  /** A name is printed by what was learnt from objects like it: so names and their order repeat, and differ by little. */
  const key = fc.oneof(
    fc.constantFrom(
      "a",
      "b",
      "c",
      "aa",
      "ab",
      "10",
      "9",
      "-1",
      "__proto__",
      "toJSON",
      "\u20ac",
      "\ud83d\ude00",
      "\ufb33",
    ),
    fc.string({ unit: "grapheme", maxLength: 3 }),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary-ascii", maxLength: 300 }),
      fc.constantFrom("\ud800", "a\udc00", "\u2028\u007f", '"\\/', ""),
      fc.double(),
      fc.integer(),
      fc.constantFrom(-0, Number.MIN_VALUE, 1e21, 1e-7, true, false, null, undefined),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie("value")), { maxLength: 6 }).map((members) => Object.fromEntries(members)),
    ),
  }));
  const answerOf = (print: (value: JsonValue) => string | undefined, of: unknown) => {
    try {
      return print(of as JsonValue) ?? "no JSON";
    } catch {
      return "no JSON";
    }
  };

  it("is that of another implementation, or neither of the two has one", () => {
    fc.assert(
      fc.property(value, (of) => {
        expect(answerOf(canonicalJson, of)).toBe(answerOf(canonicalize, of));
      }),
      { numRuns: 3_000 },
    );
  });

  it("does not depend on what was printed before, nor on the order in which members were made", () => {
    const permuted = fc
      .uniqueArray(key, { minLength: 1, maxLength: 8 })
      .chain((names) =>
        fc.tuple(fc.constant(names), fc.shuffledSubarray(names, { minLength: names.length })),
      );
    fc.assert(
      fc.property(permuted, ([names, others]) => {
        const made = (order: readonly string[]) =>
          Object.fromEntries(order.map((name) => [name, names.indexOf(name)]));
        expect(canonicalJson(made(others))).toBe(canonicalJson(made(names)));
        expect(canonicalJson(made(names))).toBe(canonicalize(made(names)));
      }),
      { numRuns: 1_000 },
    );
  });

  it("is refused to what is not JSON, wherever it stands", () => {
    for (const odd of [NaN, Infinity, 1n, () => 1, Symbol("a")] as unknown[]) {
      for (const holding of [odd, [odd], { a: { b: odd } }])
        expect(() => canonicalJson(holding as JsonValue)).toThrow(TypeError);
    }
  });

  it("is given to objects of many members and long names too, which nothing is learnt from", () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${(n * 7919) % 300}`, n]));
    const long = { ["b".repeat(5_000)]: 1, ["a".repeat(5_000)]: 2 };
    for (const each of [many, long, many, long]) expect(canonicalJson(each)).toBe(canonicalize(each));
  });
});

describe("entries of the log", () => {
  it("come back as they were printed", () => {
    const event = { b: [1, -0, 1e21, "ü\u2028"], a: { y: null, x: true } };
    expect(parseEntry(entryBytes(event))).toEqual({ a: { x: true, y: null }, b: [1, 0, 1e21, "ü\u2028"] });
  });

  it("are taken in their canonical spelling and in no other, whatever they hold", () => {
    const names = fc.constantFrom(
      "10",
      "9",
      "-1",
      "a",
      "b",
      "Z",
      "__proto__",
      "toJSON",
      "\u20ac",
      "\ud83d\ude00",
      "\ufb33",
      "",
    );
    const values = fc.oneof(
      fc.jsonValue({ noUnicodeString: false }),
      fc.constantFrom("\\ud800", "\\u", "\ud83d\ude00"),
    );
    const objects = fc.array(fc.tuple(names, fc.oneof(values, fc.dictionary(names, values))), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(objects, (entries) => {
        const text = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`;
        let canonical: string | undefined;
        try {
          canonical = canonicalJson(JSON.parse(text) as JsonValue);
        } catch {
          // A lone surrogate: it has no canonical form, and is refused.
        }
        if (text === canonical) expect(canonicalJson(parseEntry(Buffer.from(text)))).toBe(text);
        else refusal(() => parseEntry(Buffer.from(text)), "malformed_entry");
        if (canonical !== undefined)
          expect(canonicalJson(parseEntry(Buffer.from(canonical)))).toBe(canonical);
      }),
      { numRuns: 500 },
    );
  });

  it("nest as deep as what is written may, and no deeper than a reader can follow", () => {
    const nested = (depth: number) => Buffer.from(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
    expect(parseEntry(nested(128))).toBeTypeOf("object");
    for (const depth of [129, 5_000]) refusal(() => parseEntry(nested(depth)), "malformed_entry");
  });

  it("have at most 65,535 bytes", () => {
    const sized = (bytes: number) => Buffer.from(`{"a":"${"x".repeat(bytes - 8)}"}`);
    expect(parseEntry(sized(65_535))).toHaveProperty("a");
    refusal(() => parseEntry(sized(65_536)), "malformed_entry");
  });
});

interface ParsingCase {
  readonly file: string;
  readonly expect: "y" | "n" | "i" | "transform";
  readonly base64?: string;
}

/** The two files that are described instead of stored, by their recipe in the original suite. */
const described: Readonly<Record<string, string>> = {
  "n_structure_100000_opening_arrays.json": "[".repeat(100_000),
  "n_structure_open_array_object.json": `${'[{"":'.repeat(50_000)}\n`,
};

describe.skipIf(!set.present)(`public vectors of RFC 8785 and JSON ${set.title}`, () => {
  it("gives the bytes of the 6 pairs", () => {
    const { pairs } = set.json("pairs.json") as { pairs: readonly { input: string; outputHex: string }[] };
    for (const { input, outputHex } of pairs) {
      expect(Buffer.from(canonicalJson(JSON.parse(input) as JsonValue)).toString("hex")).toBe(outputHex);
    }
    expect(pairs).toHaveLength(6);
  });

  it("writes the numbers of appendix B, and refuses those that JSON has not", () => {
    const { rows } = set.json("rfc8785-appendix-b.json") as {
      rows: readonly { ieee754: string; json: string | null }[];
    };
    for (const { ieee754, json } of rows) {
      if (json === null) expect(() => canonicalJson(numberOf(ieee754))).toThrow(/not allowed/);
      else expect(canonicalJson(numberOf(ieee754))).toBe(json);
    }
    expect([rows.length, rows.filter(({ json }) => json === null).length]).toEqual([26, 2]);
  });

  it("writes 10,000 numbers as the reference does", () => {
    const lines = set.text("numbers-10000.csv").trim().split("\n");
    const wrong = lines.filter((line) => {
      const [hex = "", expected = ""] = line.split(",");
      return canonicalJson(numberOf(hex)) !== expected;
    });
    expect([lines.length, wrong]).toEqual([10_000, []]);
  });

  it("takes what must be taken once it is canonical, and nothing that must be refused or is open", () => {
    const { cases } = set.json("json-parsing.json") as { cases: readonly ParsingCase[] };
    const taken: string[] = [];
    const count = { y: 0, n: 0, i: 0, transform: 0 };
    for (const { file, expect: wanted, base64 } of cases) {
      const name = file.slice(file.lastIndexOf("/") + 1);
      const bytes =
        base64 === undefined ? Buffer.from(described[name] as string) : Buffer.from(bytesOf(base64));
      // An entry is an object: whatever stands here as a member, and its bytes as they are.
      const entry = Buffer.concat([Buffer.from('{"a":'), bytes, Buffer.from("}")]);
      count[wanted]++;
      if (wanted === "y") {
        const value = JSON.parse(bytes.toString()) as JsonValue;
        const canonical = Buffer.from(`{"a":${canonicalJson(value)}}`);
        expect(parseEntry(canonical)).toEqual({ a: JSON.parse(canonicalJson(value)) as JsonValue });
        if (canonical.equals(entry)) {
          expect(parseEntry(entry)).toBeTypeOf("object");
          continue;
        }
      }
      if (wanted === "transform" || wanted === "i") {
        try {
          parseEntry(entry);
          taken.push(name);
          continue;
        } catch {
          // Refused: checked for class and code below, as everything that is left is.
        }
      }
      refusal(() => parseEntry(entry), "malformed_entry");
    }
    expect(count).toEqual({ y: 95, n: 188, i: 35, transform: 22 });
    // The open cases that are canonical already: an integer that a double holds exactly, two keys that only
    // look alike, and an escaped NUL. Each means one thing to every reader of doubles and UTF-16.
    expect(taken).toEqual([
      "i_number_too_big_pos_int.json",
      "object_key_nfd_nfc.json",
      "string_with_escaped_NULL.json",
    ]);
  });
});
