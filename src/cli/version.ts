import { readFileSync } from "node:fs";

/** This package's version. Imports next to nothing: `synapse --version` should cost no more than starting Node. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
