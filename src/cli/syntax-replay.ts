import { type Command, Option } from "commander";
import { notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";
import { keyOption, unauthenticatedOption } from "./syntax-audit.js";

/** Commands that run and decide the past again: `replay`, `bundle`. */
export function addReplayCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Replay:");
  kit.attach(
    program
      .command("replay")
      .description("decide and run a run's steps again from the record; exit code 4 when anything differs")
      .argument("[run]", "the run's id; default the newest run")
      .option("--step <step>", "only this step", notEmpty)
      .addOption(
        new Option("--live", "do it over for real, as a new run, and tell which answers changed").conflicts([
          "fromBundle",
          "step",
        ]),
      )
      .option("--from-bundle <file>", "replay a bundle; needs no database", notEmpty)
      .option(...keyOption)
      .option(...unauthenticatedOption),
    () => import("./commands/replay.js"),
  );
  kit.attach(
    program
      .command("bundle")
      .description("write the evidence of a run into one file: events, proofs, recorded bytes")
      .argument("<run>", "the run's id")
      .requiredOption("-o, --output <file>", "a new file", notEmpty)
      .option("--complete", "with every event of the log, so that nothing can have been left out"),
    () => import("./commands/bundle.js"),
  );
}
