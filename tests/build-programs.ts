import { execFileSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Builds what tests start as processes of their own (`programOf`), anew for every run of the tests. */
export default function buildPrograms(): void {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const project = join(root, "tsconfig.programs.json");
  execFileSync(process.execPath, [compiler, "-p", project], { stdio: ["ignore", "inherit", "inherit"] });
}
