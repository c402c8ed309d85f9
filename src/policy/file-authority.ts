import type { DocumentPath, SourceDocument } from "../core/document.js";
import type { DocumentProblem } from "../core/document-shape.js";
import { type Capability, parseCapability, parseScope } from "../model/capability/index.js";
import { type Constraints, parseConstraints } from "../model/constraint/index.js";
import { CapabilitySyntaxError, InvalidConstraintError, SynapseError } from "../model/errors.js";
import { parseExpiry } from "../model/time.js";
import type { PolicyAuthority } from "./file.js";
import type { GrantText } from "./file-schema.js";

export interface AuthoritySource {
  readonly document: SourceDocument;
  readonly root: string;
  /** Of the whole entry. */
  readonly path: DocumentPath;
  readonly capabilityPath: DocumentPath;
  readonly report: (problem: DocumentProblem) => void;
}

type AuthorityText = Omit<GrantText, "contract">;

/** Checks one entry and reports what is wrong with it; the result counts only when nothing was reported. */
export function buildAuthority(source: AuthoritySource, text: AuthorityText): PolicyAuthority {
  const { document, path, capabilityPath, root } = source;
  const written = absoluteCapability(text.capability, root);
  const capability = guarded(source, capabilityPath, written.added, () => parseCapability(written.text));
  const expires = text.expires;
  if (expires !== undefined) guarded(source, [...path, "expires"], 0, () => parseExpiry(expires, 0));
  return {
    capability: capability?.text ?? text.capability,
    scope: capability === undefined ? undefined : buildScope(source, text, capability),
    constraints: capability === undefined ? {} : buildConstraints(source, text, capability),
    expires,
    delegable: text.delegable ?? false,
    position: document.positionAt(document.offsetOf(path)),
  };
}

function buildScope(
  source: AuthoritySource,
  text: AuthorityText,
  capability: Capability,
): string | undefined {
  if (text.scope === undefined) return undefined;
  const at = [...source.path, "scope"];
  const written =
    capability.domain === "fs" ? absolutePath(text.scope, source.root) : { text: text.scope, added: 0 };
  guarded(source, at, written.added, () => parseScope(capability, written.text));
  return written.text;
}

function buildConstraints(source: AuthoritySource, text: AuthorityText, capability: Capability): Constraints {
  if (text.constraints === undefined) return Object.freeze({});
  const { except } = text.constraints;
  const isRelative = capability.domain === "fs" && Array.isArray(except);
  const input = isRelative
    ? { ...text.constraints, except: except.map((entry: unknown) => absoluteEntry(entry, source.root)) }
    : text.constraints;
  try {
    return parseConstraints(input, capability);
  } catch (error) {
    if (!(error instanceof InvalidConstraintError)) throw error;
    const names = error.constraint === "$" ? [] : error.constraint.split(".").map(asSegment);
    const offset = source.document.keyOffsetOf([...source.path, "constraints", ...names]);
    source.report({ offset, message: error.message, hint: error.hint });
    return {};
  }
}

/** A text with the root put in, and how many characters longer it became before the part that was written. */
export interface AbsoluteText {
  readonly text: string;
  readonly added: number;
}

/** `fs:read:./a` as an absolute path below `root`; every other text as it is. */
export function absoluteCapability(text: string, root: string): AbsoluteText {
  const head = /^fs:(?:[a-z][a-z0-9_-]*|\*):/.exec(text)?.[0];
  if (head === undefined) return { text, added: 0 };
  const resource = absolutePath(text.slice(head.length), root);
  return { text: head + resource.text, added: resource.added };
}

/** The folder is a literal: in one called `a*` the star is escaped, so that it names no other folder. */
export function absolutePath(resource: string, root: string): AbsoluteText {
  if (resource !== "." && !resource.startsWith("./")) return { text: resource, added: 0 };
  const folder = root === "/" ? "" : root.replace(/[\\*]/g, "\\$&");
  const rest = resource === "." || resource === "./" ? "" : resource.slice(1);
  return { text: folder + rest || "/", added: folder.length - 1 };
}

function absoluteEntry(entry: unknown, root: string): unknown {
  return typeof entry === "string" ? absolutePath(entry, root).text : entry;
}

function asSegment(name: string): string | number {
  return /^[0-9]+$/.test(name) ? Number(name) : name;
}

function guarded<T>(source: AuthoritySource, at: DocumentPath, added: number, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SynapseError)) throw error;
    const index = error instanceof CapabilitySyntaxError ? Math.max(0, error.position - added) : 0;
    const found = error instanceof CapabilitySyntaxError ? error.input.slice(error.position) : "";
    const hint = found.startsWith("../")
      ? "paths begin with / or ./ ; set `root` for another folder"
      : error.hint;
    source.report({ offset: source.document.textOffsetOf(at, index), message: error.message, hint });
    return undefined;
  }
}
