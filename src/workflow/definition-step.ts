import type { DocumentPath, SourceDocument } from "../core/document.js";
import { identifierText } from "../core/document-parts.js";
import { pathName } from "../core/document-shape.js";
import { CapabilitySyntaxError, ExpressionError, SynapseError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";
import { parseDuration } from "../model/time.js";
import type { InputDefinition, StepDefinition } from "./definition.js";
import type { Report } from "./definition-build.js";
import { checkReferences } from "./definition-references.js";
import { compileCondition, type ExpressionPlace, type PlacedExpression } from "./expression.js";
import { type CapabilityTemplate, compileCapability, compileScope } from "./expression-capability.js";
import { compileTemplate, compileText, expressionsOf, type Template } from "./expression-template.js";
import type { StepDocument } from "./schema.js";

export interface StepSource {
  readonly document: SourceDocument;
  readonly step: StepDocument;
  readonly path: DocumentPath;
  readonly ids: ReadonlySet<string>;
  readonly inputs: readonly InputDefinition[];
  readonly dependencies: readonly string[] | undefined;
  readonly report: Report;
}

/** Node's timers hold 31 bits; a longer time would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** Builds one step and reports what is wrong with it; the result counts only when nothing was reported. */
export function buildStep(source: StepSource): StepDefinition {
  const { document, step, path } = source;
  checkLiteral(source, "agent", step.agent);
  checkLiteral(source, "action", step.action);
  const template = buildWith(source);
  const capability = buildCapability(source);
  const retry = typeof step.retry === "object" ? step.retry : { attempts: step.retry ?? 0, delay: undefined };
  return Object.freeze({
    id: step.id,
    agent: step.agent,
    action: step.action,
    with: template,
    needs: Object.freeze([...(step.needs ?? [])]),
    dependencies: source.dependencies ?? [],
    capability,
    scope: buildScope(source, capability),
    if: buildCondition(source),
    onDenied: step.on_denied ?? "stop",
    onError: step.on_error ?? "stop",
    timeoutMs: step.timeout === undefined ? undefined : readTime(source, ["timeout"], step.timeout, 1),
    retry: Object.freeze({
      attempts: retry.attempts,
      delayMs: retry.delay === undefined ? 0 : readTime(source, ["retry", "delay"], retry.delay, 0),
    }),
    position: document.positionAt(document.offsetOf([...path, "id"])),
    actionPosition: document.positionAt(document.offsetOf([...path, "action"])),
  });
}

/** R6: who acts and what is done are known, and can be reviewed, before anything runs. */
function checkLiteral(
  { document, path, report }: StepSource,
  field: "agent" | "action",
  value: string,
): void {
  const offset = document.offsetOf([...path, field]);
  if (value.includes("${{")) {
    report(
      offset,
      `\`${field}\` must be a literal, not an expression`,
      "use one step for each, with an `if`",
    );
  } else if (!identifierText.safeParse(value).success) {
    report(
      offset,
      `\`${field}\` must be a name of letters, digits and . _ @ : -, not \`${value.slice(0, 80)}\``,
    );
  }
}

function buildWith(source: StepSource): Template {
  const { document, step, path, report } = source;
  const values = (step.with ?? {}) as JsonObject;
  refuseKeys(source, values, [...path, "with"]);
  return compileTemplate(values, ["with"], (text, field) => {
    const at = [...path, ...field];
    const compiled = guarded(document, at, report, () => compileText(text, placeOf(source, field)));
    if (compiled === undefined) return { kind: "constant", value: text };
    expressionsOf(compiled).forEach((expression) => checkUses(source, at, expression));
    return compiled;
  });
}

function refuseKeys(source: StepSource, value: unknown, path: DocumentPath): void {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key.includes("${{")) {
      source.report(
        source.document.keyOffsetOf(at),
        "a key cannot hold an expression",
        "only values are filled in",
      );
    }
    refuseKeys(source, item, at);
  }
}

function buildCapability(source: StepSource): CapabilityTemplate | undefined {
  const { document, step, path, report } = source;
  const text = step.capability;
  if (text === undefined) return undefined;
  const at = [...path, "capability"];
  const compiled = guarded(document, at, report, () =>
    compileCapability(text, placeOf(source, ["capability"])),
  );
  checkParts(source, at, compiled);
  return compiled;
}

function buildScope(source: StepSource, of: CapabilityTemplate | undefined): CapabilityTemplate | undefined {
  const { document, step, path, report } = source;
  const text = step.scope;
  if (text === undefined) return undefined;
  const at = [...path, "scope"];
  // A capability that is wrong was reported; without one the action's own requirement is narrowed.
  if (of === undefined && step.capability !== undefined) return undefined;
  const compiled = guarded(document, at, report, () => compileScope(text, of, placeOf(source, ["scope"])));
  checkParts(source, at, compiled);
  return compiled;
}

function checkParts(source: StepSource, at: DocumentPath, template: CapabilityTemplate | undefined): void {
  for (const part of template?.parts ?? []) if (typeof part !== "string") checkUses(source, at, part);
}

function buildCondition(source: StepSource): StepDefinition["if"] {
  const { document, step, path, report } = source;
  const text = step.if;
  if (text === undefined) return undefined;
  const at = [...path, "if"];
  const compiled = guarded(document, at, report, () => compileCondition(text, placeOf(source, ["if"])));
  if (typeof compiled === "object") checkUses(source, at, compiled);
  return compiled;
}

function checkUses(
  { document, step, ids, inputs, dependencies, report }: StepSource,
  at: DocumentPath,
  expression: PlacedExpression,
): void {
  for (const problem of checkReferences(expression, { step: step.id, ids, dependencies, inputs })) {
    report(document.textOffsetOf(at, problem.offset), problem.message, problem.hint);
  }
}

function readTime(
  { document, path, report }: StepSource,
  field: DocumentPath,
  text: string,
  least: number,
): number {
  const at = [...path, ...field];
  const ms = guarded(document, at, report, () => parseDuration(text)) ?? least;
  if (ms < least || ms > timerMsMax) {
    const message = ms < least ? "must be longer than zero" : "must be shorter than 24 days";
    report(document.offsetOf(at), `\`${pathName(field)}\` ${message}`);
  }
  return ms;
}

/** Turns an error about a text into a problem at its place in the document. */
function guarded<T>(document: SourceDocument, at: DocumentPath, report: Report, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SynapseError)) throw error;
    const index =
      error instanceof ExpressionError
        ? error.offset
        : error instanceof CapabilitySyntaxError
          ? error.position
          : 0;
    report(document.textOffsetOf(at, index), error.message, error.hint);
    return undefined;
  }
}

function placeOf({ step }: StepSource, field: DocumentPath): ExpressionPlace {
  return { step: step.id, field: pathName(field) };
}
