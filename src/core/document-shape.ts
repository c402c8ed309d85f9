import type { z } from "zod";
import { didYouMean } from "../model/closest.js";
import type { JsonValue } from "../model/json.js";
import type { DocumentPath, SourceDocument } from "./document.js";

/** One thing wrong with a document; `offset` orders them. */
export interface DocumentProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string | undefined;
  /** When it comes up, if not where it stands: what is missing from a map is missing at its end. */
  readonly order?: number;
}

/** A schema's finding as far as it is read here. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly expected?: string;
  readonly issues?: readonly Issue[];
  readonly errors?: readonly (readonly Issue[])[];
}

/**
 * Checks a document against a schema.
 *
 * @param keysAt the keys allowed in the map at a path, for "did you mean".
 * @throws DocumentError at the first problem in document order.
 */
export function checkShape(
  document: SourceDocument,
  schema: z.ZodType,
  keysAt: (path: DocumentPath) => readonly string[],
): void {
  const result = schema.safeParse(document.value);
  if (result.success) return;
  throwFirst(
    document,
    result.error.issues.flatMap((issue) => problemsOf(document, issue as Issue, [], keysAt)),
  );
}

/** @throws DocumentError for the problem that a reader of the document meets first; returns when there is none. */
export function throwFirst(document: SourceDocument, problems: readonly DocumentProblem[]): void {
  const [first] = [...problems].sort((a, b) => (a.order ?? a.offset) - (b.order ?? b.offset));
  if (first !== undefined) throw document.errorAt(first.offset, first.message, first.hint);
}

/** `steps[0].with.path` */
export function pathName(path: DocumentPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

function problemsOf(
  document: SourceDocument,
  issue: Issue,
  above: DocumentPath,
  keysAt: (path: DocumentPath) => readonly string[],
): DocumentProblem[] {
  const path = [...above, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  if (issue.code === "unrecognized_keys") {
    return (issue.keys ?? []).map((key) => {
      const known = keysAt(path);
      const hint =
        didYouMean(key, known) ?? (known.length === 0 ? undefined : `the keys are: ${known.join(", ")}`);
      return { offset: document.keyOffsetOf([...path, key]), message: `unknown key \`${key}\``, hint };
    });
  }
  if (issue.code === "invalid_union" && issue.errors !== undefined) {
    // The branch for this kind of value knows best what is wrong inside it.
    const inside = issue.errors.filter((branch) => !branch.some((part) => isOfAnotherKind(part)));
    const [branch] = inside;
    if (branch !== undefined) return branch.flatMap((part) => problemsOf(document, part, path, keysAt));
    const kinds = issue.errors.map((parts) => nameOfKind(parts.find(isOfAnotherKind)?.expected));
    return [wrongKind(document, path, [...new Set(kinds)].join(" or "))];
  }
  if (issue.code === "invalid_type") return [wrongKind(document, path, nameOfKind(issue.expected))];
  if (issue.code === "invalid_key") {
    const message = issue.issues?.[0]?.message ?? "is not allowed as a key";
    return [{ offset: document.keyOffsetOf(path), message: `\`${path.at(-1) ?? ""}\` ${message}` }];
  }
  if (valueAt(document.value, path) === undefined) return [missing(document, path)];
  return [{ offset: document.offsetOf(path), message: `\`${pathName(path)}\` ${issue.message}` }];
}

function isOfAnotherKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

function wrongKind(document: SourceDocument, path: DocumentPath, expected: string): DocumentProblem {
  const offset = document.offsetOf(path);
  if (path.length === 0) return { offset, message: `the document must be ${expected}` };
  const found = valueAt(document.value, path);
  if (found === undefined) return missing(document, path);
  return { offset, message: `\`${pathName(path)}\` must be ${expected}, not ${kindOf(found)}` };
}

function missing(document: SourceDocument, path: DocumentPath): DocumentProblem {
  const message = `\`${pathName(path)}\` is missing`;
  return { offset: document.offsetOf(path), message, order: document.endOffsetOf(path) };
}

function valueAt(value: JsonValue, path: DocumentPath): JsonValue | undefined {
  let current: JsonValue | undefined = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) return undefined;
    current = (current as { readonly [key: string | number]: JsonValue })[part];
  }
  return current;
}

const kindNames: ReadonlyMap<string, string> = new Map([
  ["object", "a map"],
  ["record", "a map"],
  ["array", "a list"],
  ["string", "text"],
  ["number", "a number"],
  ["int", "a whole number"],
  ["boolean", "true or false"],
  ["null", "null"],
]);

function nameOfKind(expected: string | undefined): string {
  return kindNames.get(expected ?? "") ?? expected ?? "something else";
}

function kindOf(value: JsonValue): string {
  if (value === null) return "null";
  return nameOfKind(Array.isArray(value) ? "array" : typeof value);
}
