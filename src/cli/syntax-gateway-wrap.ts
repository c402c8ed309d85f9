import type { Command } from "commander";
import { agentId, notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";
import { launcherWords } from "./launcher.js";

/** `gateway wrap` and `gateway unwrap`: a client's configuration through the gateway, and back. */
export function addGatewayWrapCommands(gateway: Command, kit: CommandKit): void {
  kit.attach(
    rewriting(gateway, "wrap")
      .description("rewrite a client's configuration so that every MCP server goes through the gateway")
      .option("--agent <id>", "whose calls these are", agentId, "assistant")
      .option(
        "--command <words>",
        "what the client starts Synapse with; default this program by its path",
        launcherWords,
      ),
    () => import("./commands/gateway-wrap.js"),
  );
  kit.attach(
    rewriting(gateway, "unwrap").description("take the gateway out of a client's configuration again"),
    () => import("./commands/gateway-unwrap.js"),
  );
}

function rewriting(gateway: Command, name: string): Command {
  return gateway
    .command(name)
    .argument("<config>", "the client's file, for example ~/.claude.json or .vscode/mcp.json")
    .option("--only <name>", "only the server of that name; may be given many times", serverNames)
    .option("--dry-run", "show what would change, and write nothing");
}

function serverNames(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, notEmpty(text)];
}
