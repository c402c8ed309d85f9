import { type Command, Option } from "commander";
import { actor, agentGlob, agentId, jsonObject, notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";

const who = "who does this, as it will stand in the log";

/** Commands that change or list authority: contracts, bindings, suspensions. */
export function addAuthorityCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("Authority:");
  kit.attach(
    grantOptions(program.command("issue"))
      .description("issue a contract: authority that may be bound to agents")
      .option("--to <agents>", "an agent, or a pattern of ids with *; default every agent", agentGlob)
      .requiredOption("--by <who>", who, actor),
    () => import("./commands/issue.js"),
  );
  kit.attach(
    program
      .command("revoke")
      .description("revoke a contract for ever, and with it all that rests on it")
      .argument("<contract-id>")
      .requiredOption("--by <who>", who, actor),
    () => import("./commands/revoke.js"),
  );
  kit.attach(
    program
      .command("contracts")
      .description("list contracts in force")
      .option("--all", "revoked and expired ones too"),
    () => import("./commands/contracts.js"),
  );
  kit.attach(
    grantOptions(program.command("bind").requiredOption("--agent <id>", "who may act on it", agentId))
      .description("bind a capability to an agent, under a contract or another binding")
      .option(
        "--contract <id>",
        "the contract to put to work; default the narrowest that covers it",
        notEmpty,
      )
      .addOption(
        new Option("--parent <id>", "the binding to delegate from").conflicts("contract").argParser(notEmpty),
      )
      .requiredOption("--by <who>", who, actor),
    () => import("./commands/bind.js"),
  );
  kit.attach(
    program
      .command("unbind")
      .description("revoke a binding for ever, and with it all that was delegated from it")
      .argument("<binding-id>")
      .requiredOption("--by <who>", who, actor),
    () => import("./commands/unbind.js"),
  );
  kit.attach(
    program
      .command("bindings")
      .description("list bindings in force")
      .option("--agent <id>", "of this agent only", agentId)
      .option("--all", "revoked and expired ones too"),
    () => import("./commands/bindings.js"),
  );
  kit.attach(
    suspension(program, "suspend", "deny an agent everything, and stop what it runs"),
    () => import("./commands/suspend.js"),
  );
  kit.attach(suspension(program, "unsuspend", "end a suspension"), () => import("./commands/unsuspend.js"));
}

function grantOptions(command: Command): Command {
  return command
    .requiredOption(
      "--capability <capability>",
      "domain:action[:resource], for example 'fs:read:/srv/**'",
      notEmpty,
    )
    .option("--scope <resource>", "narrows the capability's resource", notEmpty)
    .option("--expires <when>", "RFC 3339 date and time, or a duration from now such as 12h", notEmpty)
    .option("--constraints <json>", 'limits, for example {"max_uses": 3}', jsonObject)
    .option("--delegable", "its holder may pass a part of it on");
}

function suspension(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .requiredOption("--agent <id>", "which agent", agentId)
    .requiredOption("--by <who>", who, actor)
    .option("--reason <text>", "why, as it will stand in the log");
}
