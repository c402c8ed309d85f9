import { listRuns } from "../../workflow/show.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printList } from "../list.js";
import { status } from "../palette.js";

/** `synapse runs` */
export const execute: Execute<CommonOptions & { readonly limit: number }> = async (
  context,
  _operands,
  { limit },
) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    printList(context, listRuns(pipeline, limit), {
      none: "there are no runs yet",
      document: (run) => run,
      headings: ["STATUS", "RUN", "WORKFLOW", "STARTED", "ENDED"],
      row: (run) => [
        status(run.status, context.palette),
        run.run_id,
        run.workflow,
        run.started_at,
        run.ended_at ?? "-",
      ],
    });
    return exitCode.done;
  });
