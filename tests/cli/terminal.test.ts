import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { durationText } from "../../src/cli/duration-text.js";
import { failureFrom, failureLines } from "../../src/cli/failure.js";
import { jsonLine, printable } from "../../src/cli/printable.js";
import { shellWord } from "../../src/cli/context.js";
import { alignedLines, widthOf } from "../../src/cli/table.js";
import { createPipeline } from "../../src/index.js";
import { documents, folder, Sink, synapse } from "./invoke.js";
import { denied, policy } from "./workflows.js";

/** What makes a terminal do something, or shows text in another order or not at all. */
const active =
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

describe("text from agents and tools is shown, not obeyed", () => {
  test.each([
    ["a cursor that climbs and rewrites", "ok\u001b[1A\u001b[2Kdenied", "ok\\x1b[1A\\x1b[2Kdenied"],
    ["CSI as one character", "\u009b31mred", "\\x9b31mred"],
    ["a clipboard that is set (OSC 52)", "\u001b]52;c;YQ==\u0007", "\\x1b]52;c;YQ==\\x07"],
    ["lines that are not there", "a\nerror[x]: b\r\tc", "a\\nerror[x]: b\\r\\tc"],
    ["names written backwards (CVE-2021-42574)", "\u202egnp.exe\u2066", "\\u{202e}gnp.exe\\u{2066}"],
    ["what cannot be seen", "a\u200bb\u{e0041}\ufeff", "a\\u{200b}b\\u{e0041}\\u{feff}"],
    ["half a character", "\ud800x", "\\u{d800}x"],
    ["what people write stays", "naïve — 東京 ✓ 🙂", "naïve — 東京 ✓ 🙂"],
  ])("%s", (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test("nothing that a terminal obeys gets through, in text or in JSON, and JSON means the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(printable(text)).not.toMatch(active);
        const line = jsonLine({ [text]: [text] });
        expect(line).not.toMatch(active);
        expect(JSON.parse(line)).toEqual({ [text]: [text] });
      }),
    );
  });

  test("an event with hostile text is one harmless line, as text and as JSON", async () => {
    const cwd = folder();
    const pipeline = await createPipeline({ database: `${cwd}/log.db`, workingFolder: cwd });
    const note = "\u009b2J\u202e gone\nnot an event";
    await pipeline.audit.emitEvent("x_note", { note, long: "x".repeat(300) });
    await pipeline.close();
    const { stdout } = await synapse({ cwd }, "audit", "list", "--db", "log.db");
    expect(stdout.trimEnd()).not.toMatch(active);
    expect(stdout).toContain("x_note");
    expect(stdout.trimEnd()).toMatch(/…$/);
    const json = await synapse({ cwd }, "audit", "list", "--db", "log.db", "--json");
    expect(json.stdout.trimEnd()).not.toMatch(active);
    expect(documents(json)[0]).toMatchObject({ note });
  });

  test("a refused argument cannot write to the terminal either", async () => {
    const { code, stderr } = await synapse({ cwd: folder() }, "run", "\u001b]0;owned\u0007.yaml");
    expect(code).toBe(2);
    expect(stderr).toContain("\\x1b]0;owned\\x07.yaml");
    expect(stderr).not.toMatch(/[\u001b\u0007]/);
  });
});

describe("colour", () => {
  const look = async (tty: boolean, env: { readonly [name: string]: string }) => {
    const cwd = folder({ "p.yaml": policy, "w.yaml": denied });
    const stdout = new Sink(tty);
    await synapse({ cwd, stdout, env }, "run", "w.yaml", "--policy", "p.yaml");
    return stdout.text;
  };

  test("only on a terminal, never against NO_COLOR or for TERM=dumb, and beside symbol and word", async () => {
    expect(await look(true, {})).toContain("\u001b[33m⊘ denied\u001b[39m");
    expect(await look(true, { NO_COLOR: "" })).toContain("\u001b[");
    for (const [tty, env] of [
      [false, {}],
      [true, { NO_COLOR: "1" }],
      [true, { TERM: "dumb" }],
    ] as const) {
      const text = await look(tty, env);
      expect(text).not.toContain("\u001b");
      expect(text).toContain("⊘ denied");
    }
  });

  test("JSON is never coloured", async () => {
    const cwd = folder({ "p.yaml": policy, "w.yaml": denied });
    const stdout = new Sink(true);
    await synapse({ cwd, stdout }, "run", "w.yaml", "--policy", "p.yaml", "--json");
    expect(stdout.text).not.toContain("\u001b");
    expect(documents({ stdout: stdout.text }).length).toBeGreaterThan(0);
  });
});

describe("tables, durations, words of a shell", () => {
  test("columns line up by what is seen: wide and combining characters, escapes, colour", () => {
    const paint = (text: string) => `<${text}>`;
    expect(
      alignedLines([
        ["東京", "a"],
        ["e\u0301", "b"],
        ["\u001b", "c"],
        [{ text: "xy", paint }, "d"],
      ]),
    ).toEqual(["東京  a", "e\u0301     b", "\\x1b  c", "<xy>    d"]);
    expect(widthOf("🙂")).toBe(2);
  });

  test.each([
    [0.4, "0 ms"],
    [41.2, "41 ms"],
    [1_240, "1.2 s"],
    [185_000, "3 min 5 s"],
  ])("%d ms is %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  test("a suggested command can be pasted", () => {
    expect(shellWord("a/b.db")).toBe("a/b.db");
    expect(shellWord("it's; rm -rf $HOME")).toBe(`'it'\\''s; rm -rf $HOME'`);
  });
});

describe("errors", () => {
  test("a mistake of this program is an internal error with exit code 1", () => {
    const failure = failureFrom(new TypeError("x is not\na function"));
    expect(failure).toMatchObject({ code: "internal_error", exit: 1 });
    expect(failureLines(failure)).toEqual(["error[internal_error]: x is not\\na function"]);
    expect(failureFrom("thrown text")).toMatchObject({ code: "internal_error", message: "thrown text" });
  });
});
