import type { Command } from "commander";
import {
  actor,
  agentId,
  eventId,
  instant,
  instantOrAgo,
  jsonObject,
  notEmpty,
  wholeNumber,
} from "./arguments.js";
import type { CommandKit } from "./command.js";

/** Commands about policy files and about what policy decides: `policy …`, `what-if`, `suggest`, `explain`. */
export function addPolicyCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Policy:");
  const policy = program.command("policy").description("policy files");
  kit.attach(
    policy
      .command("apply")
      .description("bring contracts and bindings in line with a policy file")
      .argument("<file>", "the policy")
      .option("--by <who>", "who does this; default the user's name", actor),
    () => import("./commands/policy-apply.js"),
  );
  kit.attach(
    policy
      .command("diff")
      .description("show what a policy file would add, narrow, widen and remove; changes nothing")
      .argument("<file>", "the policy")
      .argument("[other]", "the policy file to compare with; default what is in the database"),
    () => import("./commands/policy-diff.js"),
  );
  kit.attach(
    policy
      .command("test")
      .description("check what policies allow and deny against cases in files; exit code 1 on a miss")
      .argument("<file...>", "files with cases")
      .option("--policy <file>", "the policy to test, instead of the one that the cases name", notEmpty),
    () => import("./commands/policy-test.js"),
  );
  kit.attach(
    program
      .command("what-if")
      .description("show which recorded decisions a policy would change; records nothing")
      .argument("<file>", "the policy")
      .option(
        "--since <when>",
        "only decisions since then: RFC 3339, or how long ago, such as 7d",
        instantOrAgo,
      )
      .option("--run <id>", "only decisions of this run", notEmpty),
    () => import("./commands/what-if.js"),
  );
  kit.attach(
    program
      .command("suggest")
      .description("print the least policy under which all that was done stays allowed")
      .option("--agent <id>", "what this agent did", agentId)
      .option("--run <id>", "what was done in this run", notEmpty)
      .option("-o, --output <file>", "write it there; nothing is overwritten", notEmpty)
      .option("--max-wildcards <n>", "at most so many * and ** in one capability", wholeNumber(0), 2),
    () => import("./commands/suggest.js"),
  );
  kit.attach(
    program
      .command("explain")
      .description("say why something was or would be decided so, and what would allow it")
      .argument("[event]", "the id of an event that decided something, or of its request", eventId)
      .option("--agent <id>", "who would do it", agentId)
      .option("--capability <capability>", "what it would do, for example fs:read:/srv/a.txt", notEmpty)
      .option("--params <json>", "parameters that constraints look at", jsonObject)
      .option("--at <when>", "as of then: RFC 3339; default now", instant),
    () => import("./commands/explain.js"),
  );
}
