import { resolve } from "node:path";
import { readConfigFile, replaceConfigFile } from "../../gateway/wrap/config-file.js";
import { unwrapConfig } from "../../gateway/wrap/rewrite-config.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { report } from "../gateway-wrap-report.js";

export interface UnwrapOptions extends CommonOptions {
  readonly only?: readonly string[];
  readonly dryRun?: boolean;
}

/** `synapse gateway unwrap`: needs no backup, and leaves those that are there. */
export const execute: Execute<UnwrapOptions> = async (context, [name = ""], options) => {
  const file = await readConfigFile(resolve(context.cwd, name), name);
  const rewritten = unwrapConfig(file.text, name, options.only);
  const changed = rewritten.text !== file.text;
  const dryRun = options.dryRun === true;
  if (changed && !dryRun) await replaceConfigFile(file, rewritten.text, { backup: false });
  report(context, { ...rewritten, file: file.path, changed, dryRun, backup: undefined });
  return exitCode.done;
};
