import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SynapseError } from "../../model/errors.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { starterPolicy, starterWorkflow } from "../starter-files.js";
import { alignedLines } from "../table.js";

const files = [
  ["synapse.policy.yaml", starterPolicy, "who may do what"],
  ["synapse.workflow.yaml", starterWorkflow, "two agents, three steps"],
] as const;

interface Made {
  readonly name: string;
  readonly created: boolean;
  readonly about: string;
}

/** `synapse init`: makes what is missing and leaves what is there. */
export const execute: Execute<CommonOptions> = async (context) => {
  const { out, palette, cwd, databaseName, databaseOption } = context;
  const hadDatabase = context.database !== ":memory:" && existsSync(context.database);
  // Nothing to do with it: opening it makes it.
  await withPipeline(context, { create: true }, async () => undefined);
  const made: Made[] = [
    { name: databaseName, created: !hadDatabase, about: "the database, for this machine only" },
  ];
  for (const [name, text, about] of files)
    made.push({ name, created: await writeNew(join(cwd, name), name, text), about });
  if (context.json) {
    const namesOf = (created: boolean) =>
      made.filter((one) => one.created === created).map((one) => one.name);
    context.document({ database: databaseName, created: namesOf(true), kept: namesOf(false) });
    return exitCode.done;
  }
  const rows = made.map(({ name, created, about }) => [
    created ? { text: "✓ made", paint: palette.good } : { text: "– kept", paint: palette.dim },
    name,
    { text: about, paint: palette.dim },
  ]);
  out.lines(alignedLines(rows));
  const both = `synapse.workflow.yaml --policy synapse.policy.yaml${databaseOption}`;
  out.lines(["", "next:", `  synapse plan ${both}`, `  synapse run ${both}`]);
  return exitCode.done;
};

/** False when there is something of that name already. */
async function writeNew(path: string, name: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new SynapseError("unwritable_file", `the file \`${name}\` cannot be written: ${message}`, {
      cause: error,
    });
  }
}
