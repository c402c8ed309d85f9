import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { readConfigFile, replaceConfigFile } from "../../gateway/wrap/config-file.js";
import { wrapConfig } from "../../gateway/wrap/rewrite-config.js";
import { SynapseError } from "../../model/errors.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { exitCode } from "../exit-code.js";
import { report } from "../gateway-wrap-report.js";
import { isTransient, ownLauncher } from "../launcher.js";

export interface WrapOptions extends CommonOptions {
  readonly agent: string;
  readonly command?: readonly string[];
  readonly only?: readonly string[];
  readonly dryRun?: boolean;
}

/** `synapse gateway wrap` */
export const execute: Execute<WrapOptions> = async (context, [name = ""], options) => {
  const launcher = options.command ?? ownLauncher();
  const template = { launcher, agent: options.agent, db: databaseFor(context), anchor: anchorFor(context) };
  // Clients fill in `$NAME` and `${NAME}` in arguments.
  const odd = [...launcher, template.db, template.anchor ?? ""].find((word) => word.includes("$"));
  if (odd !== undefined)
    throw new SynapseError("usage", `a client could read \`$\` in \`${odd}\` as a variable`, {
      hint: "use a path without it",
    });
  const file = await readConfigFile(resolve(context.cwd, name), name);
  const rewritten = wrapConfig(file.text, name, template, options.only);
  const changed = rewritten.text !== file.text;
  const dryRun = options.dryRun === true;
  const backup =
    changed && !dryRun ? await replaceConfigFile(file, rewritten.text, { backup: true }) : undefined;
  report(context, { ...rewritten, file: file.path, changed, dryRun, backup });
  if (isTransient(launcher))
    context.note(
      "this Synapse is in npx's cache, which may be emptied; install it, or name it with --command",
    );
  if (changed && !dryRun && !existsSync(context.database))
    context.note(
      `there is no database ${template.db} yet, so everything will be denied; synapse init makes one`,
    );
  return exitCode.done;
};

/** By its whole path: a client starts its servers in whatever folder it likes. */
function databaseFor({ database }: CommandContext): string {
  if (database !== ":memory:") return database;
  throw new SynapseError("usage", "a gateway needs a database that stays, and not `:memory:`", {
    hint: "give a file with --db",
  });
}

function anchorFor({ anchor, cwd }: CommandContext): string | undefined {
  return anchor === undefined || /^https?:\/\//.test(anchor) ? anchor : resolve(cwd, anchor);
}
