import { NotFoundError } from "../../model/errors.js";
import { type RunDetails, showRun } from "../../workflow/show.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { status } from "../palette.js";
import { alignedLines, table } from "../table.js";

/** `synapse show` */
export const execute: Execute<CommonOptions> = async (context, [runId = ""]) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const run = showRun(pipeline, runId);
    if (run === undefined) throw new NotFoundError("run", runId, "synapse runs lists them");
    if (context.json) context.document(run);
    else print(context, run);
    return exitCode.done;
  });

function print({ out, palette, databaseOption }: CommandContext, run: RunDetails): void {
  const facts = [
    ["workflow", { text: run.workflow, paint: palette.bold }],
    ["run", run.run_id],
    ["status", status(run.status, palette)],
    ["started", run.started_at],
    ["ended", run.ended_at ?? "-"],
    ["digest", run.result_digest ?? "-"],
    ["events", `synapse audit list --run ${run.run_id}${databaseOption}`],
  ] as const;
  out.lines(alignedLines(facts.map(([name, value]) => [{ text: name, paint: palette.dim }, value])));
  out.line();
  const rows = run.steps.map((step) => [
    status(step.status, palette),
    step.step_id,
    step.agent_id ?? "-",
    step.capability ?? "-",
    step.reason ?? "-",
    step.binding_id ?? "-",
  ]);
  out.lines(table(["STATUS", "STEP", "AGENT", "CAPABILITY", "REASON", "BINDING"], rows, palette.dim));
}
