import type { Command } from "commander";
import { agentId, audience, notEmpty } from "./arguments.js";
import type { CommandKit } from "./command.js";

/** Where `synapse gateway --http` listens when it is not told otherwise. */
const defaultAudience = "http://127.0.0.1:8808";

/** `token issue`: who asks at the gateway's HTTP door. */
export function addTokenCommands(program: Command, kit: CommandKit): void {
  const token = program.command("token").description("tokens that say which agent asks");
  kit.attach(
    token
      .command("issue")
      .description("print a token; whoever has it is the agent, until it expires or the agent is suspended")
      .requiredOption("--agent <id>", "who asks with it", agentId)
      .requiredOption(
        "--expires <when>",
        "RFC 3339 date and time, or a duration from now such as 8h",
        notEmpty,
      )
      .option("--audience <url>", "the gateway that it is for", audience, defaultAudience),
    () => import("./commands/token-issue.js"),
  );
}
