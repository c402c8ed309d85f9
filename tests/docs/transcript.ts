import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { onTestFinished } from "vitest";

/** One command of a document, and what the document says that it prints. */
export interface Said {
  readonly command: string;
  readonly output: string;
}

/** What a document's files and commands came to. */
export interface Played extends Said {
  readonly printed: string;
}

const fence = /^```(\w+)(?: ([^\n]+))?\n([\s\S]*?)^```$/gm;

/**
 * Plays a document in an empty folder: blocks with a file's name beside their language (```` ```yaml policy.yaml ````)
 * are written there, and the commands of `console` blocks (`$ …`) are run by a POSIX shell, in order.
 *
 * A word in capitals such as `RUN` stands for what the document says it does: see `names`.
 *
 * @param names variables of the shell, each with a command that gives its value when it is first used.
 */
export function play(file: string, names: { readonly [name: string]: string } = {}): Played[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-doc-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bin = join(folder, "bin");
  mkdirSync(bin);
  symlinkSync(resolve("dist/cli/main.js"), join(bin, "synapse"));
  const home = join(folder, "work");
  mkdirSync(home);
  const env: { [name: string]: string } = {
    PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: home,
    USER: "you",
  };
  const played: Played[] = [];
  for (const [, language, name, body = ""] of readFileSync(file, "utf8").matchAll(fence)) {
    if (name !== undefined) writeFileSync(join(home, name), body);
    else if (language === "console") {
      for (const said of commandsOf(body)) {
        for (const [variable, command] of Object.entries(names)) {
          if (!said.command.includes(`$${variable}`) || env[variable] !== undefined) continue;
          env[variable] = execFileSync("sh", ["-c", command], { cwd: home, env, encoding: "utf8" }).trim();
        }
        const { stdout, stderr, status } = spawnSync("sh", ["-c", said.command], {
          cwd: home,
          env,
          encoding: "utf8",
        });
        const exit = status === 0 ? "" : `(exit code ${status})\n`;
        played.push({ ...said, printed: `${stdout}${stderr}${exit}`.replaceAll(home, "/home/you") });
      }
    }
  }
  return played;
}

function commandsOf(block: string): Said[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const end = part.indexOf("\n");
      return { command: part.slice(0, end), output: part.slice(end + 1) };
    });
}

/** Without what differs each time: ids, times, durations, digests, keys; and without the widths of columns. */
export function masked(text: string): string {
  return text
    .replace(/\b(run|bind|cap|evt|req)_[0-9a-f-]{36}\b/g, "$1_…")
    .replace(/\b(run|bind|cap|evt|req)_[0-9a-f]{4,}…?/g, "$1_…")
    .replace(/sha256:[0-9a-f]+…?/g, "sha256:…")
    .replace(/synapse\.local\/[0-9a-f]{16}(\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+)?/g, "synapse.local/…")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b\d+(\.\d+)? (ms|s)\b/g, "TIME")
    .replace(/\b\d+ bytes/g, "N bytes")
    .replace(/[ \t]+/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join("\n");
}
