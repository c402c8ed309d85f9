import { NotFoundError } from "../model/errors.js";
import type { LiveReplay } from "../replay/replay-live.js";
import { recordedRun } from "../workflow/resume.js";
import { listRuns } from "../workflow/show.js";
import { type CommandContext, withPipeline } from "./context.js";
import { exitCode } from "./exit-code.js";
import { jsonLine, printable } from "./printable.js";
import { tellRun } from "./tell-run.js";

/** `synapse replay --live`: a new run of what was recorded, and what is otherwise now. */
export async function executeLive(context: CommandContext, asked: string | undefined): Promise<number> {
  const { replayLive } = await import("../replay/replay-live.js");
  return withPipeline(context, { create: false }, async (pipeline) => {
    const runId = asked ?? listRuns(pipeline, 1)[0]?.run_id;
    if (runId === undefined) throw new NotFoundError("run", "(none)", "synapse runs lists them");
    let changes: LiveReplay["changes"] = [];
    const { definition } = recordedRun(pipeline, runId);
    const ended = await tellRun(context, pipeline, definition, async (telling) => {
      const live = await replayLive({ ...telling, pipeline, runId });
      changes = live.changes;
      return live.summary;
    });
    if (context.json) {
      for (const change of changes) context.document(change);
      context.document({ replays: runId, changes: changes.length });
    } else tell(context, runId, changes);
    if (context.signal.aborted) return ended;
    return changes.length === 0 ? exitCode.done : exitCode.unverified;
  });
}

function tell({ out }: CommandContext, runId: string, changes: LiveReplay["changes"]): void {
  out.line();
  if (changes.length === 0) out.line(`as recorded in ${printable(runId)}: nothing changed`);
  for (const { step_id, n, what, recorded, live } of changes) {
    out.line(`changed   ${printable(step_id)}: ${n === null ? what : `use ${n} (${printable(what)})`}`);
    out.line(`recorded  ${jsonLine(recorded)}`);
    out.line(`now       ${jsonLine(live)}`);
  }
}
