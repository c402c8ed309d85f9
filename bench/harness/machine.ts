import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { root } from "./root.js";

/** On what the figures were measured; nothing that names the machine or who owns it. */
export interface Machine {
  readonly processor: string;
  readonly processors: number;
  readonly memory_gib: number;
  readonly system: string;
  readonly node: string;
  readonly sqlite_binding: string;
  readonly date: string;
}

export function machine(): Machine {
  const binding = JSON.parse(
    readFileSync(join(root, "node_modules/better-sqlite3/package.json"), "utf8"),
  ) as { version: string };
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    processors: cpus().length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    sqlite_binding: `better-sqlite3 ${binding.version}`,
    date: new Date().toISOString().slice(0, 10),
  };
}
