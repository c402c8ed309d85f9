import type { Command } from "commander";
import { notEmpty } from "./arguments.js";
import { type CommandContext, type CommonOptions, commandContext } from "./context.js";
import type { CliIo } from "./io.js";
import type { Output } from "./output.js";

/** Does the work of one command; gives the exit code. Errors are thrown, and told in one place. */
export type Execute<Options> = (
  context: CommandContext,
  operands: readonly string[],
  options: Options,
) => Promise<number>;

/** What the commands are added with. */
export interface CommandKit {
  /** Adds the options that all have, and runs `load`'s `execute`; a command's code is read when it is used. */
  attach<Options extends CommonOptions>(
    command: Command,
    load: () => Promise<{ readonly execute: Execute<Options> }>,
  ): void;
}

export function addCommonOptions(command: Command): Command {
  return command
    .option("--db <path>", "the database; default $SYNAPSE_DB, else .synapse/synapse.db", notEmpty)
    .option(
      "--anchor <file-or-url>",
      "where checkpoints are published; a log behind it refuses steps",
      notEmpty,
    )
    .option("--json", "print JSON documents, one a line");
}

export function commandKit(
  root: Command,
  io: CliIo,
  streams: { readonly out: Output; readonly err: Output },
  ended: (exitCode: number) => void,
): CommandKit {
  return {
    attach<Options extends CommonOptions>(
      command: Command,
      load: () => Promise<{ readonly execute: Execute<Options> }>,
    ) {
      addCommonOptions(command).action(async () => {
        const { execute } = await load();
        // Commander knows no types; each command's interface states what its syntax declares.
        const options = { ...root.opts(), ...command.opts() } as unknown as Options;
        const context = commandContext(io, streams.out, streams.err, options);
        ended(await execute(context, command.args, options));
      });
    },
  };
}
