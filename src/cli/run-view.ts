import type { RunSummary, StepProgress, StepReport } from "../workflow/report.js";
import type { WorkflowDefinition } from "../workflow/definition.js";
import type { CommandContext } from "./context.js";
import { durationText } from "./duration-text.js";
import { status } from "./palette.js";
import { printable } from "./printable.js";
import { alignedLines, widthOf } from "./table.js";

/** What people see of a run: lines that are final when they are printed, so that a pipe gets the same. */
export class RunView {
  readonly #context: CommandContext;
  readonly #definition: WorkflowDefinition;
  readonly #shown = new Set<string>();
  readonly #widths: number[];
  readonly #begun = performance.now();

  constructor(context: CommandContext, definition: WorkflowDefinition) {
    this.#context = context;
    this.#definition = definition;
    const widest = (texts: readonly string[]) => Math.max(...texts.map(widthOf));
    const steps = definition.steps;
    // Lines come one by one, so a column is as wide as what is known: that of capabilities grows as they come.
    this.#widths = [11, widest(steps.map((step) => step.id)), widest(steps.map((step) => step.agent)), 32, 7];
  }

  policy(name: string, changes: number): void {
    const what = changes === 0 ? "no changes" : `${changes} ${changes === 1 ? "change" : "changes"} recorded`;
    this.#facts([["policy", `${name} · ${what}`]]);
  }

  start(runId: string): void {
    const { name, description, steps } = this.#definition;
    const agents = [...new Set(steps.map((step) => step.agent))];
    const { bold } = this.#context.palette;
    this.#facts([
      ["workflow", { text: name, paint: bold }],
      ...(description === undefined ? [] : [["", description] as const]),
      ["run", runId],
      [agents.length === 1 ? "agent" : "agents", agents.join(", ")],
      ["steps", String(steps.length)],
    ]);
    this.#context.out.line();
  }

  step(progress: StepProgress): void {
    if (progress.status === "pending") return;
    this.#shown.add(progress.step_id);
    this.#stepLine(
      progress,
      progress.agent,
      progress.capability,
      durationText(progress.duration_ms),
      whyOf(progress),
    );
  }

  end(summary: RunSummary): void {
    const { out, palette, databaseName, databaseOption } = this.#context;
    for (const report of summary.steps) {
      if (this.#shown.has(report.step_id)) continue;
      const agent = this.#definition.steps.find((step) => step.id === report.step_id)?.agent ?? "";
      this.#stepLine(report, agent, null, "", "never started");
    }
    const counts = new Map<string, number>();
    for (const step of summary.steps) counts.set(step.status, (counts.get(step.status) ?? 0) + 1);
    const counted = [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
    const took = durationText(performance.now() - this.#begun);
    out.line();
    this.#facts([
      ["result", status(summary.status, palette)],
      ["steps", `${counted} · in ${took}`],
      ["digest", summary.result_digest],
      ["evidence", `synapse show ${summary.run_id}${databaseOption}`],
      ["", `synapse audit list --run ${summary.run_id}${databaseOption}`],
      ["database", databaseName],
    ]);
  }

  #stepLine(report: StepReport, agent: string, capability: string | null, took: string, why: string): void {
    const { out, palette } = this.#context;
    const cells = [
      status(report.status, palette),
      report.step_id,
      agent,
      capability ?? "-",
      { text: took.padStart(7), paint: palette.dim },
      { text: why, paint: palette.dim },
    ];
    this.#widths[3] = Math.max(this.#widths[3] ?? 0, widthOf(printable(capability ?? "")));
    out.lines(alignedLines([cells], this.#widths));
  }

  #facts(facts: readonly (readonly [string, Parameters<typeof alignedLines>[0][number][number]])[]): void {
    const { out, palette } = this.#context;
    out.lines(
      alignedLines(
        facts.map(([name, value]) => [{ text: name, paint: palette.dim }, value]),
        [8],
      ),
    );
  }
}

function whyOf({ status: ended, reason, binding_id, explanation, attempt }: StepProgress): string {
  const tries = attempt > 1 ? ` (try ${attempt})` : "";
  const said = [reason, explanation].filter((part) => part !== null && part !== "").join(": ");
  if (ended === "completed") return `allowed by ${binding_id ?? "its binding"}${tries}`;
  if (ended === "denied") return said + tries;
  if (ended === "skipped") return said === "" ? "its condition is false" : said;
  return `${binding_id === null ? "" : `allowed by ${binding_id}; `}${said}${tries}`;
}
