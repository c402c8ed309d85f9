import { z } from "zod";
import { type DocumentPath, type Position, readDocument, type SourceDocument } from "../core/document.js";
import { identifierText } from "../core/document-parts.js";
import { checkShape, throwFirst } from "../core/document-shape.js";
import { parseRequirement, parseScope } from "../model/capability/index.js";
import { type DenialReason, denialReasons } from "../model/denial.js";
import { CapabilitySyntaxError, SynapseError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";
import { parseInstant } from "../model/time.js";
import { type AbsoluteText, absoluteCapability, absolutePath } from "./file-authority.js";

const policyCase = z.strictObject({
  agent: identifierText.describe("who asks"),
  capability: z.string().describe("what for: a capability without `*` as its action"),
  scope: z.string().optional().describe("narrows the question to a part of the capability"),
  params: z.record(z.string(), z.json()).optional().describe("parameters that constraints look at"),
  at: z.string().optional().describe("when: RFC 3339; now when left out"),
  expect: z.enum(["allow", "deny"]),
  reason: z.enum(denialReasons).optional().describe("why it has to be denied"),
});
const cases = z.array(policyCase).min(1, "must hold at least one case");
const file = z.strictObject({
  policy: z.string().min(1).optional().describe("the policy that is tested; relative to this file's folder"),
  cases,
});

/** One thing that a policy has to allow or deny. */
export interface PolicyCase {
  readonly agent: string;
  /** As it is written, `./…` in `fs` relative to what `casesUnder` is given. */
  readonly capability: string;
  readonly scope: string | undefined;
  readonly params: JsonObject | undefined;
  /** ms since the epoch. */
  readonly at: number | undefined;
  readonly expect: "allow" | "deny";
  readonly reason: DenialReason | undefined;
  readonly position: Position;
}

/** A file with cases, its shape checked. */
export interface CaseFile {
  readonly file: string;
  /** Of this file: what the policy's path, and `./…` when there is no policy, are relative to. */
  readonly folder: string;
  /** As it is written. */
  readonly policy: string | undefined;
  /**
   * The cases, their capabilities absolute and checked.
   * @param root absolute folder that `./…` stands for.
   * @throws DocumentError `invalid_cases` at the first problem.
   */
  casesUnder(root: string): readonly PolicyCase[];
}

type CaseText = z.infer<typeof policyCase>;

/**
 * Reads a file of cases: a list of them, or a map with `cases` and the `policy` that they are about.
 *
 * @param name of the file, for errors.
 * @param folder absolute: where it lies.
 * @throws DocumentError `invalid_cases` at the first problem.
 */
export function parseCases(text: string, name: string, folder: string): CaseFile {
  const document = readDocument(text, name, "invalid_cases");
  const isList = Array.isArray(document.value);
  checkShape(document, isList ? cases : file, (at) => keysAt(at, isList));
  const whole = document.value as unknown as z.infer<typeof file>;
  const texts = isList ? (document.value as unknown as CaseText[]) : whole.cases;
  const above: DocumentPath = isList ? [] : ["cases"];
  return Object.freeze({
    file: name,
    folder,
    policy: isList ? undefined : whole.policy,
    casesUnder: (root: string) =>
      texts.map((each, index) => readCase(document, [...above, index], each, root)),
  });
}

function readCase(document: SourceDocument, path: DocumentPath, text: CaseText, root: string): PolicyCase {
  const written = absoluteCapability(text.capability, root);
  const capability = checked(document, [...path, "capability"], written, parseRequirement);
  const scope =
    text.scope === undefined
      ? undefined
      : capability.domain === "fs"
        ? absolutePath(text.scope, root)
        : { text: text.scope, added: 0 };
  if (scope !== undefined)
    checked(document, [...path, "scope"], scope, (each) => parseScope(capability, each));
  const at = text.at === undefined ? undefined : { text: text.at, added: 0 };
  if (text.reason !== undefined && text.expect === "allow") {
    const offset = document.keyOffsetOf([...path, "reason"]);
    throwFirst(document, [
      { offset, message: "`reason` says why something is denied, and this is expected to be allowed" },
    ]);
  }
  return Object.freeze({
    agent: text.agent,
    capability: capability.text,
    scope: scope?.text,
    params: text.params,
    at: at === undefined ? undefined : checked(document, [...path, "at"], at, parseInstant),
    expect: text.expect,
    reason: text.reason,
    position: document.positionAt(document.offsetOf(path)),
  });
}

/** What a reader of text says is wrong, at its place in the file. */
function checked<T>(
  document: SourceDocument,
  path: DocumentPath,
  { text, added }: AbsoluteText,
  read: (text: string) => T,
): T {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof SynapseError)) throw error;
    const index = error instanceof CapabilitySyntaxError ? Math.max(0, error.position - added) : 0;
    throw document.errorAt(document.textOffsetOf(path, index), error.message, error.hint);
  }
}

function keysAt(path: DocumentPath, isList: boolean): readonly string[] {
  if (path.length === 0) return isList ? [] : Object.keys(file.shape);
  return Object.keys(policyCase.shape);
}
