import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtinActions } from "../src/index.js";
import type { ScriptErrorCode } from "../src/model/errors.js";

const doc = readFileSync("docs/scripts.md", "utf8");
const bin = resolve("dist/cli/main.js");

interface Exchange {
  readonly command: readonly string[];
  readonly lines: readonly string[];
}

/** The commands of the transcripts, each with what it printed. */
function transcript(): Exchange[] {
  const blocks = [...doc.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
  return blocks
    .join("")
    .split(/^\$ npx synapse /m)
    .slice(1)
    .map((part) => {
      const [command = "", ...lines] = part.trimEnd().split("\n");
      return { command: command.split(/\s+/), lines };
    });
}

/** `…` stands for anything within a line; how wide columns are depends on the folder. */
function asPattern(line: string): RegExp {
  const words = line
    .trim()
    .split(/\s+/)
    .map((word) => word.split("…").map(escaped).join(".*"));
  return new RegExp(`^\\s*${words.join("\\s+")}\\s*$`);
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

describe("docs/scripts.md keeps its word", () => {
  let folder: string;
  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-scripts-doc-")));
    cpSync("examples/word-count", folder, { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("its transcript is what its commands print, in a copy of the example", () => {
    const exchanges = transcript();
    expect(exchanges).toHaveLength(3);
    for (const { command, lines } of exchanges) {
      const printed = execFileSync(process.execPath, [bin, ...command], {
        cwd: folder,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      const shown = printed.trimEnd().split("\n");
      expect(shown).toHaveLength(lines.length);
      shown.forEach((line, index) => expect(line).toMatch(asPattern(lines[index] ?? "")));
    }
  });

  it("lists every way in which a script ends", () => {
    const codes: { readonly [code in ScriptErrorCode]: true } = {
      script_source: true,
      script_syntax: true,
      script_failed: true,
      script_output: true,
      script_stalled: true,
      script_deadline: true,
      script_out_of_memory: true,
      script_crashed: true,
    };
    for (const code of Object.keys(codes)) expect(doc).toContain(`| \`${code}\``);
  });

  it("says rightly that it is replayable, and that running it twice may do something twice", () => {
    expect(builtinActions.script.run).toMatchObject({ replayable: true, idempotent: false });
  });
});
