import type { Command } from "commander";
import { notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";

/** Commands that run and decide the past again: `replay`. */
export function addReplayCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Replay:");
  kit.attach(
    program
      .command("replay")
      .description("decide and run a run's steps again from the record; exit code 4 when anything differs")
      .argument("[run]", "the run's id; default the newest run")
      .option("--step <step>", "only this step", notEmpty),
    () => import("./commands/replay.js"),
  );
}
