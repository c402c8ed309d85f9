import { CommanderError } from "commander";
import { EvidenceError, NoAuthorityError, ResumeError, SynapseError } from "../model/errors.js";
import { exitCode } from "./exit-code.js";
import { printable } from "./printable.js";

/** An error as the command line tells it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly exit: number;
}

/** Failures of the machine and not of what was asked for. */
const environmental = new Set([
  "audit_unavailable",
  "cannot_listen",
  "cannot_open",
  "file_changed",
  "output_failed",
  "unwritable_file",
]);

/**
 * Tells what a person did wrong (2) and what authority does not allow (3) from what went wrong on its own (1) and
 * from evidence that does not hold (4).
 * A `TypeError` that comes this far is a mistake in this program: arguments are checked before they are used.
 *
 * @param command the command that was meant, as far as it can be told: its help is the hint.
 */
export function failureFrom(error: unknown, command = "synapse"): Failure {
  if (error instanceof CommanderError) return usageFailure(error, command);
  if (error instanceof SynapseError) {
    const { code, message, hint } = error;
    return { code, message, hint, exit: exitOf(error) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal_error", message, hint: undefined, exit: exitCode.failed };
}

/** `error[CODE]: what happened`, and a line with the hint when there is one. */
export function failureLines({ code, message, hint }: Failure): string[] {
  const lines = [`error[${printable(code)}]: ${printable(message)}`];
  if (hint !== undefined) lines.push(`hint: ${printable(hint)}`);
  return lines;
}

function exitOf(error: SynapseError): number {
  // Understood, well-formed, and there is no authority for it: denied, as an agent would be.
  if (error instanceof NoAuthorityError) return exitCode.denied;
  if (error instanceof EvidenceError || error.code === "database_damaged" || error.code === "unauthenticated")
    return exitCode.unverified;
  // Nothing is wrong with what was asked for: it waits until a person decides.
  if (error instanceof ResumeError && error.code === "outcome_unknown") return exitCode.denied;
  return environmental.has(error.code) ? exitCode.failed : exitCode.invalid;
}

/** Commander's own words, in the form that all errors have here. */
function usageFailure(error: CommanderError, command: string): Failure {
  const [said = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const message = said
    .replace(/'([^']*)'/g, "`$1`")
    .replace(" is invalid. ", " is invalid: ")
    .replace(/\.$/, "");
  const meant = /\(Did you mean (?:one of )?(.+)\?\)/.exec(suggestion ?? "")?.[1];
  // A command of a group is said as it is typed: `token issue`.
  const group = message.startsWith("unknown command") ? command.split(" ").slice(1).join(" ") : "";
  const suggested = group === "" ? meant : `${group} ${meant}`;
  const hint = meant === undefined ? `${command} --help shows how it is used` : `did you mean ${suggested}?`;
  return { code: "usage", message, hint, exit: exitCode.invalid };
}
