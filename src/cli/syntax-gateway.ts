import { type Command, Option } from "commander";
import { actor, agentId, notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";

/** The gateway between MCP clients and MCP servers, and what belongs to it. */
export function addGatewayCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("MCP:");
  const gateway = program
    .command("gateway")
    .description("stand between an MCP client and its servers: every call is decided and recorded")
    .addOption(
      new Option("--config <file>", "the servers: a file with `mcpServers`, as clients have it").argParser(
        notEmpty,
      ),
    )
    // Required of the gateway itself alone: commander would ask it of the commands below, too.
    .option("--agent <id>", "as which agent the client acts", agentId)
    .addOption(
      new Option("--server <name>", "instead of a file: the name of the one server that follows behind `--`")
        .argParser(notEmpty)
        .conflicts("config"),
    )
    .argument("[command...]", "behind `--`: how the one server is started");
  kit.attach(gateway, () => import("./commands/gateway.js"));
  addPinCommands(gateway, kit);
}

function addPinCommands(gateway: Command, kit: CommandKit): void {
  const pins = gateway
    .command("pins")
    .description("list the tools that were seen, and those that wait to be accepted")
    .option("--all", "those that are as they were pinned, too")
    .option("--definitions", "show what waits in full");
  kit.attach(pins, () => import("./commands/gateway-pins.js"));
  kit.attach(
    pins
      .command("accept")
      .description("accept what waits: from now on the tool may be listed and called as it is now")
      .argument("<server>[/<tool>]", "a server's name, or one tool of it")
      .requiredOption("--by <who>", "who does this, as it will stand in the log", actor),
    () => import("./commands/gateway-pins-accept.js"),
  );
}
