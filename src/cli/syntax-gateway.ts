import { type Command, Option } from "commander";
import { actor, agentId, audience, hostName, listenAddress, notEmpty, pageOrigin } from "./arguments.js";
import type { CommandKit } from "./command.js";
import { addGatewayWrapCommands } from "./syntax-gateway-wrap.js";

/** The gateway between MCP clients and MCP servers, and what belongs to it. */
export function addGatewayCommands(program: Command, kit: CommandKit): void {
  program.commandsGroup("MCP:");
  const gateway = program
    .command("gateway")
    .description("stand between an MCP client and its servers: every call is decided and recorded")
    .usage("--config <file> (--agent <id> | --http <host:port>) [options]");
  const serve = addServeCommand(gateway, kit);
  gateway.addHelpText("after", () => optionsOf(serve));
  addPinCommands(gateway, kit);
  addGatewayWrapCommands(gateway, kit);
}

/**
 * `gateway` alone. A command of its own, since commander looks for commands of a group among the words behind `--`, too:
 * a server that is started with `wrap …` must not be taken for `gateway wrap`.
 */
function addServeCommand(gateway: Command, kit: CommandKit): Command {
  const serve = gateway
    .command("serve", { isDefault: true, hidden: true })
    .description("stand between an MCP client and its servers: every call is decided and recorded")
    .option("--config <file>", "the servers: a file with `mcpServers`, as clients have it", notEmpty)
    .option("--agent <id>", "as which agent the client acts; over HTTP its token says that", agentId)
    .addOption(
      new Option("--server <name>", "instead of a file: the name of the one server that follows behind `--`")
        .argParser(notEmpty)
        .conflicts("config"),
    )
    .addOption(
      new Option("--http <host:port>", "listen for clients with tokens, instead of standard input")
        .argParser(listenAddress)
        .conflicts("agent"),
    )
    .option("--audience <url>", "what tokens have to be for; default http://HOST:PORT", audience)
    .option("--issuer <url>", "believe tokens of this OAuth provider, too; goes with --jwks", notEmpty)
    .option("--jwks <url>", "where that provider's keys are", notEmpty)
    .option("--agent-claim <name>", "what names the agent in that provider's tokens; default sub", notEmpty)
    .option("--allow-host <name>", "a name in `Host` beside localhost; may be repeated", hostName)
    .option("--allow-origin <origin>", "a page's origin that may ask; may be repeated", pageOrigin)
    .addOption(new Option("--wrapped <note>", "for `gateway unwrap`; means nothing here").hideHelp())
    .argument("[command...]", "behind `--`: how the one server is started");
  kit.attach(serve, () => import("./commands/gateway.js"));
  return serve;
}

/** The options of the default command, which has no name to ask for their help by. */
function optionsOf(serve: Command): string {
  const help = serve.createHelp();
  const options = help.visibleOptions(serve).filter(({ long }) => long !== "--help");
  const width = Math.max(...options.map(({ flags }) => flags.length));
  const lines = options.map(({ flags, description }) => `  ${flags.padEnd(width)}  ${description}`);
  return `\nThe gateway itself:\n${lines.join("\n")}\n\nInstead of --config, one server: --server <name> -- <command…>`;
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
