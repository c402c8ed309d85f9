import { documentFromJson, type Position, readDocument } from "../core/document.js";
import { didYouMean } from "../model/closest.js";
import { DocumentError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { buildDefinition } from "./definition-build.js";
import type { Condition } from "./expression.js";
import type { CapabilityTemplate } from "./expression-capability.js";
import type { Template } from "./expression-template.js";

export interface InputDefinition {
  readonly name: string;
  readonly description: string | undefined;
  readonly type: "string" | "number" | "boolean" | undefined;
  /** True exactly when there is no default and `required: false` does not say otherwise. */
  readonly required: boolean;
  /** Undefined when there is none. An input that is neither given nor required is null. */
  readonly default: JsonValue | undefined;
}

export type Reaction = "stop" | "continue";

export interface StepDefinition {
  readonly id: string;
  /** Literal, as is `action` (SEMANTICS R6). */
  readonly agent: string;
  readonly action: string;
  /** Gives an object. */
  readonly with: Template;
  readonly needs: readonly string[];
  /** Every step that this one depends on, directly or not; its expressions may use these and no others. */
  readonly dependencies: readonly string[];
  readonly capability: CapabilityTemplate | undefined;
  readonly scope: CapabilityTemplate | undefined;
  readonly if: Condition | undefined;
  readonly onDenied: Reaction;
  readonly onError: Reaction;
  /** Milliseconds, 1 to 2^31 - 1. */
  readonly timeoutMs: number | undefined;
  /** `attempts` counts tries after the first. */
  readonly retry: { readonly attempts: number; readonly delayMs: number };
  readonly position: Position;
  readonly actionPosition: Position;
}

/** A workflow that was read and checked. Frozen. */
export interface WorkflowDefinition {
  readonly file: string;
  /** The workflow's id. */
  readonly name: string;
  readonly description: string | undefined;
  readonly inputs: readonly InputDefinition[];
  readonly seed: number | string | undefined;
  /** As written. */
  readonly steps: readonly StepDefinition[];
  /** Step ids so that each comes after those it needs; as written where there is a choice. */
  readonly order: readonly string[];
  /** The document as plain JSON: to digest, to record, and to read again with `workflowFromJson`. */
  readonly source: JsonObject;
}

/**
 * Reads a workflow from YAML or JSON.
 *
 * @param file shown in errors and kept in the definition; nothing is opened.
 * @throws DocumentError `invalid_workflow` at the first problem: syntax first, then shape, then meaning, each
 *   in document order.
 */
export function parseWorkflow(text: string, file: string): WorkflowDefinition {
  return buildDefinition(readDocument(text, file, "invalid_workflow"));
}

/**
 * Reads a definition that was recorded (`WorkflowDefinition.source`), with the same checks.
 *
 * @throws DocumentError `invalid_workflow` at line 1, column 1.
 * @throws InvalidDataError when `json` is not plain data.
 */
export function workflowFromJson(json: unknown): WorkflowDefinition {
  return buildDefinition(documentFromJson(json, "recorded definition", "invalid_workflow"));
}

/** @throws DocumentError `invalid_workflow` at the first step whose action is not in `known`. */
export function checkActions(definition: WorkflowDefinition, known: ReadonlySet<string>): void {
  for (const { action, actionPosition } of definition.steps) {
    if (known.has(action)) continue;
    throw new DocumentError(
      "invalid_workflow",
      definition.file,
      actionPosition.line,
      actionPosition.column,
      `unknown action \`${action}\``,
      didYouMean(action, known) ?? `the actions are: ${[...known].sort().join(", ")}`,
    );
  }
}
