import { assertApplicable, whatIf } from "../../policy/what-if.js";
import type { WhatIfGroup, WhatIfReport } from "../../policy/what-if-report.js";
import type { Moment } from "../arguments.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { readPolicy } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { progressBar } from "../progress.js";
import { alignedLines } from "../table.js";
import { assertRun, withImage } from "../with-image.js";

interface WhatIfCommandOptions extends CommonOptions {
  readonly since?: Moment;
  readonly run?: string;
}

/** `synapse what-if`: reads only, whatever it finds. */
export const execute: Execute<WhatIfCommandOptions> = async (context, [file = ""], { since, run }) => {
  const policy = await readPolicy(context, file);
  const bar = progressBar(context.err, "deciding again");
  try {
    return await withImage(context, async (image) => {
      assertRun(image, run);
      assertApplicable(image, policy);
      const report = await whatIf(image, policy, {
        since: momentOf(since),
        runId: run,
        onProgress: bar.report,
        signal: context.signal,
      });
      bar.end();
      if (context.json) context.document(report);
      else print(context, report);
      return exitCode.done;
    });
  } catch (error) {
    bar.end();
    if (context.signal.aborted) return exitCode.interrupted;
    throw error;
  }
};

function momentOf(moment: Moment | undefined): number | undefined {
  if (moment === undefined) return undefined;
  return "atMs" in moment ? moment.atMs : Date.now() - moment.agoMs;
}

const signs: { readonly [change in WhatIfGroup["change"]]: string } = {
  newly_denied: "- newly denied",
  newly_allowed: "+ newly allowed",
  unavailable: "? unavailable",
};

function print({ out, palette }: CommandContext, report: WhatIfReport): void {
  const paint = {
    newly_denied: palette.bad,
    newly_allowed: palette.warn,
    unavailable: palette.dim,
  };
  const rows = report.groups.map(({ change, agent, shape, reason, count }) => [
    { text: signs[change], paint: paint[change] },
    `${count}×`,
    agent,
    shape,
    change === "newly_allowed" ? `was ${reason ?? "?"}` : (reason ?? "its parameters are erased"),
  ]);
  const lines = alignedLines(rows);
  report.groups.forEach(({ examples }, index) => {
    out.line(lines[index]);
    const shown = examples.map((each) => ["   ", each.decided_at, each.step_id, each.capability, each.event]);
    out.lines(alignedLines(shown.map((cells) => cells.map((text) => ({ text, paint: palette.dim })))));
  });
  if (report.ungrouped > 0) out.line(`… and ${report.ungrouped} requests in further groups`);
  if (report.groups.length > 0) out.line();
  out.line(
    `policy ${report.policy}: of ${report.requests} recorded requests ${report.newly_denied} newly denied, ` +
      `${report.newly_allowed} newly allowed, ${report.unchanged} unchanged` +
      (report.unavailable > 0 ? `, ${report.unavailable} unavailable` : ""),
  );
  if (report.unrecorded > 0)
    out.line(`${report.unrecorded} questions of an older version do not say what exactly was asked`);
}
