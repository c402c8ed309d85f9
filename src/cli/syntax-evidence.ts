import type { Command } from "commander";
import { agentId, notEmpty, wholeNumber } from "./arguments.js";
import type { CommandKit } from "./command.js";
import { addProofCommands } from "./syntax-audit.js";

/** Commands that show what happened: `runs`, `show`, `audit …`. */
export function addEvidenceCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Evidence:");
  kit.attach(
    program
      .command("runs")
      .description("list runs, newest first")
      .option("--limit <n>", "at most so many", wholeNumber(1), 100),
    () => import("./commands/runs.js"),
  );
  kit.attach(
    program.command("show").description("show a run and its steps").argument("<run>", "the run's id"),
    () => import("./commands/show.js"),
  );
  const audit = program.command("audit").description("the audit log");
  kit.attach(
    audit
      .command("list")
      .description("print the log, in order")
      .option("--agent <id>", "events of this agent only", agentId)
      .option("--event <type>", "events of this type only, for example step_execution_denied", notEmpty)
      .option("--run <id>", "events of this run only", notEmpty)
      .option("--limit <n>", "only the newest so many", wholeNumber(1))
      .option("--follow", "then print further ones as they come, until Ctrl-C"),
    () => import("./commands/audit-list.js"),
  );
  addProofCommands(audit, kit);
}
