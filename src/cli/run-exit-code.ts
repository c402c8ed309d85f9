import type { RunSummary } from "../workflow/report.js";
import { exitCode } from "./exit-code.js";

/** What the command line ends with after a run. */
export function runExitCode({ status }: RunSummary, signal: AbortSignal): number {
  switch (status) {
    case "completed":
      return exitCode.done;
    case "denied":
      return exitCode.denied;
    case "failed":
    case "unknown":
      return exitCode.failed;
    case "cancelled":
      return signal.aborted ? exitCode.interrupted : exitCode.failed;
  }
}
