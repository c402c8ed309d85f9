import { existsSync } from "node:fs";
import { join } from "node:path";

const built = join(import.meta.dirname, "../out/programs");

/**
 * Where a program of TypeScript is that a test starts: built once, before the first test (`build-programs.ts`), since a
 * process that compiles for itself takes most of its time for that.
 *
 * @param source from the project's root, as in `tsconfig.programs.json`.
 */
export function programOf(source: string): string {
  const path = join(built, source.replace(/\.ts$/, ".js"));
  if (!existsSync(path)) throw new Error(`\`${source}\` is not among the programs of tsconfig.programs.json`);
  return path;
}
