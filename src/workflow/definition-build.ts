import type { DocumentPath, SourceDocument } from "../core/document.js";
import { checkShape, type DocumentProblem, throwFirst } from "../core/document-shape.js";
import { didYouMean } from "../model/closest.js";
import type { JsonObject } from "../model/json.js";
import type { WorkflowDefinition } from "./definition.js";
import { orderSteps, type StepGraph } from "./definition-graph.js";
import { buildInputs } from "./definition-inputs.js";
import { buildStep } from "./definition-step.js";
import { workflowKeysAt, workflowSchema, type WorkflowDocument } from "./schema.js";

/** Finds every problem of meaning and throws for the first in document order. */
export function buildDefinition(document: SourceDocument): WorkflowDefinition {
  checkShape(document, workflowSchema, workflowKeysAt);
  const source = document.value as JsonObject;
  // The schema has just accepted this very value; the parsed copy is not used, since it may drop keys.
  const written = document.value as unknown as WorkflowDocument;
  const problems: DocumentProblem[] = [];
  const report = (offset: number, message: string, hint?: string): void => {
    problems.push({ offset, message, hint });
  };
  const inputs = buildInputs(document, written.inputs ?? {}, report);
  const ids = checkIds(document, written, report);
  const graph = checkGraph(document, written, ids, report);
  const steps = written.steps.map((step, index) =>
    buildStep({
      document,
      step,
      path: ["steps", index],
      ids,
      inputs,
      dependencies: graph.dependencies.get(step.id),
      report,
    }),
  );
  throwFirst(document, problems);
  return Object.freeze({
    file: document.file,
    name: written.name,
    description: written.description,
    inputs,
    seed: written.seed,
    steps: Object.freeze(steps),
    order: graph.order,
    source,
  });
}

export type Report = (offset: number, message: string, hint?: string) => void;

function checkIds(
  document: SourceDocument,
  { steps }: WorkflowDocument,
  report: Report,
): ReadonlySet<string> {
  const seen = new Map<string, number>();
  steps.forEach(({ id }, index) => {
    const offset = document.offsetOf(["steps", index, "id"]);
    const first = seen.get(id);
    if (first === undefined) seen.set(id, offset);
    else
      report(
        offset,
        `the step id \`${id}\` is taken`,
        `it is first used in line ${document.positionAt(first).line}`,
      );
  });
  return new Set(seen.keys());
}

function checkGraph(
  document: SourceDocument,
  { steps }: WorkflowDocument,
  ids: ReadonlySet<string>,
  report: Report,
): StepGraph {
  steps.forEach((step, index) => {
    const seen = new Set<string>();
    (step.needs ?? []).forEach((need, position) => {
      const offset = document.offsetOf(needPath(index, position));
      if (!ids.has(need))
        report(offset, `step \`${step.id}\` needs unknown step \`${need}\``, didYouMean(need, ids));
      else if (seen.has(need)) report(offset, `step \`${step.id}\` needs \`${need}\` twice`);
      seen.add(need);
    });
  });
  // With duplicate ids the order is not meaningful, but that is reported already.
  const graph = orderSteps(steps.map(({ id, needs }) => ({ id, needs: needs ?? [] })));
  if (!("cycle" in graph)) return graph;
  const [from, to] = graph.cycle;
  const index = steps.findIndex((step) => step.id === from);
  const position = steps[index]?.needs?.indexOf(to ?? "") ?? 0;
  const message = `the steps need each other in a circle: ${graph.cycle.join(" → ")}`;
  report(document.offsetOf(needPath(index, position)), message);
  return { order: [], dependencies: new Map() };
}

function needPath(index: number, position: number): DocumentPath {
  return ["steps", index, "needs", position];
}
