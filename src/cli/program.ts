import { Command } from "commander";
import { addCommonOptions, commandKit } from "./command.js";
import type { CliIo } from "./io.js";
import type { Output } from "./output.js";
import { addAuthorityCommands } from "./syntax-authority.js";
import { addEvidenceCommands } from "./syntax-evidence.js";
import { addGatewayCommands } from "./syntax-gateway.js";
import { addPolicyCommands } from "./syntax-policy.js";
import { addReplayCommands } from "./syntax-replay.js";
import { addTokenCommands } from "./syntax-token.js";
import { addWorkflowCommands } from "./syntax-workflow.js";
import { packageVersion } from "./version.js";

const exitCodes = `
Exit codes:
  0    done
  1    a step failed, or an internal error
  2    usage or invalid input
  3    denied, or stopped until a person decides
  4    verification failed: tampered with, or not authentic
  130  interrupted`;

/** The whole syntax; nothing is run until it is parsed, and nothing in it writes past the given streams. */
export function buildProgram(
  io: CliIo,
  out: Output,
  err: Output,
  ended: (exitCode: number) => void,
): Command {
  const program = new Command("synapse")
    .description(
      "Runs workflows of AI agents: every step under a capability, every decision recorded before it acts.",
    )
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show what can be said here")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out.write(text),
      writeErr: (text) => err.write(text),
      // Errors are told by `failure.ts`, all in one form.
      outputError: () => undefined,
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
    // So that `--reason --json` is a reason: options before a command are ours, those behind it are its own.
    .enablePositionalOptions()
    .addHelpText("after", exitCodes);
  addCommonOptions(program);
  const kit = commandKit(program, io, { out, err }, ended);
  addWorkflowCommands(program, kit);
  addPolicyCommands(program, kit);
  addAuthorityCommands(program, kit);
  addEvidenceCommands(program, kit);
  addReplayCommands(program, kit);
  program.commandsGroup("MCP:");
  addGatewayCommands(program, kit);
  addTokenCommands(program, kit);
  return program;
}
