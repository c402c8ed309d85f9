import { type Command, CommanderError } from "commander";
import { exitCode } from "./exit-code.js";
import { failureFrom, failureLines } from "./failure.js";
import type { CliIo } from "./io.js";
import { Output } from "./output.js";
import { buildProgram } from "./program.js";

/**
 * The command line, without the process around it: never exits, touches no global.
 *
 * @param argv without the program and the script.
 * @returns the exit code.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const out = new Output(io.stdout);
  const err = new Output(io.stderr);
  const code = await settle(argv, io, out, err);
  try {
    await out.flush();
  } catch (error) {
    tell(error, err);
    return exitCode.failed;
  }
  return code;
}

async function settle(argv: readonly string[], io: CliIo, out: Output, err: Output): Promise<number> {
  let code: number = exitCode.done;
  const program = buildProgram(io, out, err, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCode.done;
    // No command was named, so the help was shown (on standard error), which says all there is to say.
    if (error instanceof CommanderError && error.code === "commander.help") return exitCode.invalid;
    return tell(error, err, commandIn(program, argv));
  }
}

/** The command that was meant, options aside: `synapse audit list`. */
function commandIn(program: Command, argv: readonly string[]): string {
  let command = program;
  let name = program.name();
  for (const word of argv) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) continue;
    command = next;
    name += ` ${word}`;
  }
  return name;
}

function tell(error: unknown, err: Output, command?: string): number {
  const failure = failureFrom(error, command);
  err.lines(failureLines(failure));
  return failure.exit;
}
