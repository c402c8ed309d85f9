import { describe, expect, it } from "vitest";
import { readDocument } from "../../src/core/document.js";
import { DocumentError } from "../../src/model/errors.js";

const read = (text: string) => readDocument(text, "f.yaml", "invalid_policy");

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    expect((error as DocumentError).code).toBe("invalid_policy");
    return (error as DocumentError).message;
  }
  throw new Error("nothing was thrown");
}

describe("YAML is read as plain data", () => {
  it("1.2 with the core schema: `no` and `on` are text, dates are text, merge keys are ordinary keys", () => {
    expect(read("a: no\nb: on\nc: 2026-01-01\nd: 0o10\ne: ~\n<<: {f: 1}\n1: x").value).toEqual({
      a: "no",
      b: "on",
      c: "2026-01-01",
      d: 8,
      e: null,
      "<<": { f: 1 },
      "1": "x",
    });
  });

  it("aliases are followed, and the result is frozen throughout", () => {
    const value = read("a: &x {k: [1]}\nb: *x").value as unknown as { b: { k: number[] } };
    expect(value).toEqual({ a: { k: [1] }, b: { k: [1] } });
    expect(Object.isFrozen(value) && Object.isFrozen(value.b) && Object.isFrozen(value.b.k)).toBe(true);
  });

  it("positions are 1-based and count characters after a BOM, in CRLF files and behind comments", () => {
    const document = read("# c\r\na:\r\n  - x\r\n  - {b: [y]}\r\n");
    expect(document.positionAt(document.offsetOf(["a", 1, "b", 0]))).toEqual({ line: 4, column: 10 });
    expect(document.positionAt(document.keyOffsetOf(["a", 1, "b"]))).toEqual({ line: 4, column: 6 });
    expect(document.positionAt(document.offsetOf(["a", 1, "none", 3]))).toEqual({ line: 4, column: 5 });
    const marked = read("\uFEFFa: 1\nb: 2");
    expect(marked.value).toEqual({ a: 1, b: 2 });
    expect(marked.positionAt(marked.offsetOf(["b"]))).toEqual({ line: 2, column: 4 });
  });
});

describe("what is refused", () => {
  it.each([
    ["duplicate keys", "a: 1\nb: 2\na: 3", "f.yaml:3:1: the key `a` stands twice in this map"],
    [
      "duplicate keys in different spelling",
      'a: 1\n"\\x61": 3',
      "f.yaml:2:1: the key `a` stands twice in this map",
    ],
    ["several documents", "a: 1\n---\nb: 2", "f.yaml:2:1: the file holds more than one document"],
    [
      "directives that change the language",
      "%YAML 1.1\n---\na: no",
      "f.yaml:1:1: a %YAML directive is not allowed",
    ],
    [
      "unknown tags",
      "a: !!js/function x",
      "f.yaml:1:4: the document is not valid YAML: unresolved tag: tag:yaml.org,2002:js/function",
    ],
    [
      "keys that are maps",
      "? {a: 1}\n: b",
      "f.yaml:1:3: the document is not valid YAML: with stringKeys, all keys must be strings",
    ],
    ["unknown anchors", "a: *x", "f.yaml:1:4: there is no anchor `x` before this alias"],
    [
      "integers that JSON cannot hold exactly",
      "a: 9007199254740993",
      "f.yaml:1:4: the number has no exact JSON form",
    ],
    ["numbers that JSON does not have", "a: [1, .nan]", "f.yaml:1:8: the number has no exact JSON form"],
    ["infinity", "a: -.inf", "f.yaml:1:4: the number has no exact JSON form"],
    ["lone surrogates", 'a: "\\ud800"', "f.yaml:1:4: the text holds a lone surrogate"],
    ["the key __proto__", "a: {__proto__: 1}", "f.yaml:1:5: the key `__proto__` is not allowed"],
  ])("%s", (_, text, message) => {
    expect(refusal(text)).toBe(message);
  });
});

describe("bombs", () => {
  it("billion laughs: aliases of aliases are counted each time they are followed", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let n = 1; n < 10; n++)
      lines.push(`a${n}: &a${n} [${Array.from({ length: 9 }, () => `*a${n - 1}`).join(", ")}]`);
    expect(refusal(lines.join("\n"))).toContain("the document uses more than 100 aliases");
  });

  it("an anchor that contains itself", () => {
    expect(refusal("a: &a [*a]")).toContain("nested more than 64 levels deep");
  });

  it("a large value behind few aliases", () => {
    const big = `[${"x,".repeat(2_000)}]`;
    expect(refusal(`a: &a ${big}\nb: [${"*a,".repeat(90)}]`)).toContain(
      "the document holds more than 50000 values",
    );
  });

  it("nesting, in lists, maps and block sequences", () => {
    expect(refusal("[".repeat(70) + "]".repeat(70))).toContain("nested more than 64 levels deep");
    expect(refusal("[".repeat(100_000))).toContain("nested too deeply");
    expect(refusal(`${"- ".repeat(20_000)}a`)).toContain("nested too deeply");
  });

  it("size, and the number of keys", () => {
    expect(refusal(`a: ${"x".repeat(1024 * 1024)}`)).toContain("larger than 1048576 characters");
    expect(refusal(Array.from({ length: 60_000 }, (_, n) => `k${n}: 1`).join("\n"))).toContain(
      "more than 50000 values",
    );
  });
});
