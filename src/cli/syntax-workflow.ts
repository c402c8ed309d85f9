import type { Command } from "commander";
import { actor, agentId, jsonObject, nameAndValue, notEmpty, stepIds, wholeNumber } from "./arguments.js";
import type { CommandKit } from "./command.js";

/** Commands about what is to be done: `init`, `plan`, `run`, `resume`, `check`. */
export function addWorkflowCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Workflows:");
  kit.attach(
    program
      .command("init")
      .description("make a database, a policy and a workflow to start from; overwrites nothing"),
    () => import("./commands/init.js"),
  );
  kit.attach(
    workflowCommand(program, "run")
      .description("run a workflow")
      .option(
        "--seed <n>",
        "whole number that everything random in it follows from",
        wholeNumber(Number.MIN_SAFE_INTEGER),
      )
      .option("--concurrency <n>", "how many steps run at a time", wholeNumber(1)),
    () => import("./commands/run.js"),
  );
  kit.attach(
    program
      .command("resume")
      .description("go on with a run whose process is gone")
      .argument("<run>", "the run's id")
      .option("--retry <step>", "run this step of unknown outcome again; may be given many times", stepIds)
      .option(
        "--accept-as-failed <step>",
        "go on as if this step of unknown outcome had failed; may be given many times",
        stepIds,
      )
      .option("--by <who>", "who does this; default the user's name", actor)
      .option("--concurrency <n>", "how many steps run at a time", wholeNumber(1)),
    () => import("./commands/resume.js"),
  );
  kit.attach(
    workflowCommand(program, "plan").description(
      "show what would be decided for each step now; runs nothing",
    ),
    () => import("./commands/plan.js"),
  );
  kit.attach(
    program
      .command("check")
      .description("ask whether an agent may do something; recorded, exit code 3 when not")
      .requiredOption("--agent <id>", "who would do it", agentId)
      .requiredOption(
        "--capability <capability>",
        "what it would do, for example fs:read:/srv/a.txt",
        notEmpty,
      )
      .option("--scope <resource>", "narrows the question to a part of the capability", notEmpty)
      .option("--params <json>", "parameters that constraints look at", jsonObject),
    () => import("./commands/check.js"),
  );
}

function workflowCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .argument("<workflow>", "the workflow file")
    .option("--policy <file>", "a policy to use with it")
    .option("--input <name=value>", "a value for an input; may be given many times", nameAndValue);
}
