import { textMember } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import type { Divergence } from "../replay/divergence.js";
import type { RecordedRun } from "../replay/log-source.js";
import type { StepReplay } from "../replay/replay-log.js";
import type { RunReplay } from "../replay/replay-run.js";
import type { CommandContext } from "./context.js";
import { jsonLine } from "./printable.js";
import { status } from "./palette.js";
import { alignedLines, type Cell } from "./table.js";

/** A replay on the terminal: a line for each step, and the first divergence with both sides. */
export class ReplayView {
  readonly #context: CommandContext;
  #first: { readonly step: StepReplay; readonly divergence: Divergence } | undefined;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  start({ runId, started }: RecordedRun): void {
    this.#facts([
      ["replay", textMember(started, "workflow_id")],
      ["run", runId],
    ]);
    this.#context.out.line();
  }

  step(step: StepReplay): void {
    const divergence = divergenceOf(step);
    if (divergence !== undefined) this.#first ??= { step, divergence };
    const { out, palette } = this.#context;
    const { word, why } = verdictOf(step);
    const tries = step.attempt > 1 ? ` (try ${step.attempt})` : "";
    const cells: Cell[] = [
      status(word, palette),
      step.step_id,
      step.agent_id,
      step.action,
      { text: why + tries, paint: palette.dim },
    ];
    out.lines(alignedLines([cells], [14, 12, 12, 12]));
  }

  end({ status: ended, steps }: RunReplay): void {
    const { out, palette } = this.#context;
    out.line();
    if (this.#first !== undefined) {
      const { step, divergence } = this.#first;
      this.#facts([
        ["diverged", `step ${step.step_id}, try ${step.attempt}, event ${step.seq}: ${divergence.message}`],
        ["recorded", side(divergence.recorded)],
        ["replayed", side(divergence.replayed)],
      ]);
      out.line();
    }
    const counts = new Map<string, number>();
    for (const step of steps) {
      const { word } = verdictOf(step);
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    const counted = [...counts].map(([word, count]) => `${count} ${word}`).join(", ");
    this.#facts([
      ["result", status(ended, palette)],
      ["steps", counted === "" ? "none: no step of it was ever asked for" : counted],
    ]);
  }

  #facts(facts: readonly (readonly [string, Cell])[]): void {
    const { out, palette } = this.#context;
    out.lines(
      alignedLines(
        facts.map(([name, value]) => [{ text: name, paint: palette.dim }, value]),
        [8],
      ),
    );
  }
}

/** The worst that was found of a step, in a word, and what to say beside it. */
function verdictOf({ allowed, decision, execution }: StepReplay): { word: string; why: string } {
  if (decision.status === "diverged") return { word: "diverged", why: decision.divergence.message };
  if (execution?.status === "diverged") return { word: "diverged", why: execution.divergence.message };
  if (decision.status === "unavailable") return { word: "unavailable", why: `decision: ${decision.why}` };
  if (execution === undefined) return { word: "identical", why: allowed ? "allowed" : "denied, as it was" };
  const uses = `${execution.effects} ${execution.effects === 1 ? "use" : "uses"} of handles`;
  switch (execution.status) {
    case "identical":
      return { word: "identical", why: `allowed, ${uses}` };
    case "identical_until_stopped":
      return { word: "stopped", why: `allowed, ${uses}, the same until: ${execution.why}` };
    case "unavailable":
      return { word: "unavailable", why: execution.why };
    case "not_replayed":
      return { word: "decided", why: `the decision is the same; not run again: ${execution.why}` };
  }
}

function divergenceOf({ decision, execution }: StepReplay): Divergence | undefined {
  if (decision.status === "diverged") return decision.divergence;
  return execution?.status === "diverged" ? execution.divergence : undefined;
}

function side(value: JsonValue): string {
  return value === null ? "(nothing)" : jsonLine(value);
}
