import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const readme = readFileSync("README.md", "utf8");
const bin = resolve("dist/cli/main.js");

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1] ?? "",
  );
}

describe("the README keeps its word", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "synapse-readme-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("has the two lines that a newcomer needs", () => {
    expect(readme).toContain("npm ci && npm start");
    expect(readme).toContain("npm ci && npm test");
  });

  // A dozen processes, one after the other.
  it(
    "its commands for a workflow of one's own work, in order, in an empty folder",
    { timeout: 120_000 },
    () => {
      const commands = blocks("sh")
        .flatMap((block) => block.split("\n"))
        .filter((line) => line.startsWith("npx synapse"))
        .map((line) =>
          line
            .replace(/\s+#.*$/, "")
            .split(/\s+/)
            .slice(2),
        );
      expect(commands.length).toBeGreaterThanOrEqual(6);
      let printed = "";
      let all = "";
      for (const command of commands) {
        // The one placeholder of the text: a binding that the commands before it made.
        const id = /bind_[0-9a-f-]{36}/.exec(printed)?.[0] ?? "none yet";
        const words = command.map((word) => (word === "BINDING_ID" ? id : word));
        printed = execFileSync(process.execPath, [bin, ...words], { cwd: folder, encoding: "utf8" });
        expect(printed).not.toBe("");
        all += printed;
      }
      expect(all).toMatch(/^revoked bind_/m);
      expect(all).toMatch(/^wrote least\.policy\.yaml/m);
    },
  );

  it("its code compiles against the public names", () => {
    const code = blocks("ts")
      .join("\n")
      .replaceAll('"synapse-pipeline"', JSON.stringify(resolve("src/index.js")));
    const imports = `import { capability, defineAction } from ${JSON.stringify(resolve("src/index.js"))};\n`;
    const file = resolve("tests/readme-code.generated.ts");
    const config = ts.getParsedCommandLineOfConfigFile(
      "tsconfig.json",
      {},
      {
        ...ts.sys,
        onUnRecoverableConfigFileDiagnostic: (problem) => {
          throw new Error(ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
        },
      },
    );
    const options = { ...config?.options, noUnusedLocals: false };
    const host = ts.createCompilerHost(options);
    const onDisk = ts.createCompilerHost(options);
    host.getSourceFile = (name, version) =>
      name === file
        ? ts.createSourceFile(name, imports + code, version)
        : onDisk.getSourceFile(name, version);
    host.fileExists = (name) => name === file || onDisk.fileExists(name);
    host.readFile = (name) => (name === file ? imports + code : onDisk.readFile(name));
    const program = ts.createProgram([file], options, host);
    const problems = ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map((problem) => ts.flattenDiagnosticMessageText(problem.messageText, "\n"));
    expect(problems).toEqual([]);
  });
});
