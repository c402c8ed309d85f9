import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** The folder of the repository: benches run from a build somewhere below it. */
export const root = ((): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package-lock.json"))) folder = dirname(folder);
  return folder;
})();

const fromBench = createRequire(join(root, "bench/package.json"));

/** Where a package of bench/package.json is; undefined where `npm ci --prefix bench` was not run. */
export function rivalPath(name: string): string | undefined {
  try {
    return fromBench.resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** What such a package exports. */
export async function rival(name: string): Promise<object | undefined> {
  const path = rivalPath(name);
  if (path === undefined) return undefined;
  const found = (await import(pathToFileURL(path).href)) as { readonly default?: object };
  return { ...found.default, ...found };
}
