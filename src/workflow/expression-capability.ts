import { type Capability, parseCapability, parseRequirement, parseScope } from "../model/capability/index.js";
import { CapabilitySyntaxError, ExpressionError } from "../model/errors.js";
import type { JsonValue } from "../model/json.js";
import {
  compileExpression,
  evaluateExpression,
  type ExpressionPlace,
  type ExpressionScope,
  failure,
  type PlacedExpression,
} from "./expression.js";
import { scanText } from "./expression-scan.js";

/** A capability's text, or a scope's, with expressions in its resource. */
export interface CapabilityTemplate {
  /** The text as it was written. */
  readonly source: string;
  readonly domain: string;
  readonly parts: readonly (string | PlacedExpression)[];
}

const headPattern = /^([a-z][a-z0-9_-]*):([a-z][a-z0-9_-]*)(:|$)/;

/**
 * Compiles `domain:action[:resource]`. Domain and action are literals: data must not choose the kind of
 * authority that a step asks for.
 *
 * @throws ExpressionError or CapabilitySyntaxError; offsets and positions are into `text`.
 */
export function compileCapability(text: string, place: ExpressionPlace): CapabilityTemplate {
  const parts = compileParts(text, place);
  const [first] = parts;
  if (parts.every((part) => typeof part === "string")) {
    const { domain } = parseRequirement(parts.join(""));
    return Object.freeze({ source: text, domain, parts });
  }
  const head = typeof first === "string" ? headPattern.exec(first) : null;
  if (head?.[1] === undefined || head[3] !== ":") {
    const message = "domain and action of a capability are literals; only its resource may hold expressions";
    throw new ExpressionError("invalid_expression", text, 0, message);
  }
  return Object.freeze({ source: text, domain: head[1], parts });
}

/**
 * Compiles a scope: the resource part alone, in the grammar of the capability's domain.
 *
 * @param of undefined when the action's own requirement is narrowed: its domain, and so the scope's grammar, is known
 *   when the parameters are.
 */
export function compileScope(
  text: string,
  of: CapabilityTemplate | undefined,
  place: ExpressionPlace,
): CapabilityTemplate {
  const parts = compileParts(text, place);
  if (of === undefined) return Object.freeze({ source: text, domain: "", parts });
  if (parts.every((part) => typeof part === "string")) {
    const [domain, action] = of.source.split(":", 2);
    parseScope(parseCapability(`${domain}:${action}`), parts.join(""));
  }
  return Object.freeze({ source: text, domain: of.domain, parts });
}

/**
 * Fills a capability in. Every value enters as escaped literal text (C7): an output `*` asks for the file
 * named `*`, not for all files.
 *
 * @returns canonical text.
 * @throws ExpressionError `expression_failed`: also for a value that no resource of the domain can hold.
 */
export function evaluateCapabilityTemplate(template: CapabilityTemplate, scope: ExpressionScope): string {
  return checked(template, scope, (text) => parseRequirement(text).text);
}

/** Fills a scope in, the same way. Its text is a resource pattern of the capability `of`. */
export function evaluateScopeTemplate(
  template: CapabilityTemplate,
  of: Capability,
  scope: ExpressionScope,
): string {
  return checked({ ...template, domain: of.domain }, scope, (text) => {
    parseScope(of, text);
    return text;
  });
}

function checked(
  template: CapabilityTemplate,
  scope: ExpressionScope,
  check: (text: string) => string,
): string {
  const text = fill(template, scope);
  try {
    return check(text);
  } catch (error) {
    const place = template.parts.find((part) => typeof part !== "string")?.place;
    if (!(error instanceof CapabilitySyntaxError) || place === undefined) throw error;
    throw failure(place, template.source, 0, error.message);
  }
}

function compileParts(text: string, place: ExpressionPlace): CapabilityTemplate["parts"] {
  const pieces = scanText(text);
  return Object.freeze(
    pieces.map((piece, index) => {
      if (piece.kind === "expression") return compileExpression(piece.content, piece.start, place);
      // `\` before an expression would escape the escape: `\${{ x }}` with `*` is `\\*`, a wildcard again.
      const backslashes = /\\+$/.exec(piece.content)?.[0].length ?? 0;
      if (backslashes % 2 === 1 && index < pieces.length - 1) {
        const at = piece.start + piece.content.length - 1;
        throw new ExpressionError(
          "invalid_expression",
          text,
          at,
          "a backslash cannot stand before an expression",
        );
      }
      return piece.content;
    }),
  );
}

function fill({ domain, parts }: CapabilityTemplate, scope: ExpressionScope): string {
  let text = "";
  parts.forEach((part, index) => {
    if (typeof part === "string") {
      text += part;
      return;
    }
    const value = literalOf(evaluateExpression(part, scope), part);
    const next = parts[index + 1];
    // What another expression will put there is not known yet: as if the host went on.
    const after = typeof next === "object" ? "" : next;
    text += domain === "net" ? urlPart(value, text, after, part) : escapeLiteral(domain, value);
  });
  return text;
}

function literalOf(value: JsonValue, { place, expression }: PlacedExpression): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw failure(
    place,
    expression.source,
    0,
    "only text, numbers and true or false can stand in a capability",
  );
}

/** Files, programs and memory keys are paths; every other name is one segment, and `/` in it is no separator. */
function escapeLiteral(domain: string, value: string): string {
  const isPath = domain === "fs" || domain === "os" || domain === "memory";
  return value.replace(isPath ? /[\\*]/g : /[\\*/]/g, "\\$&");
}

/**
 * In URLs a `*` of a path is `%2A`; there is no escape in a host. Space would begin another method, and
 * `/`, `:`, `?`, `#`, `@` would end the host before the literal text that follows: `${{ x }}.example.com`
 * with `evil.test/` must not become a request to evil.test.
 */
function urlPart(value: string, before: string, after: string | undefined, placed: PlacedExpression): string {
  const refused = (): ExpressionError =>
    failure(
      placed.place,
      placed.expression.source,
      0,
      `\`${value.slice(0, 80)}\` cannot stand in this part of a URL`,
    );
  if (/[\s\\?#]/.test(value)) throw refused();
  const resource = before.replace(/^net:[a-z][a-z0-9_-]*:/, "").replace(/^[A-Z-]+ /, "");
  if (resource.replace(/^[a-z]+:\/\//i, "").includes("/")) return value.replaceAll("*", "%2A");
  const authority = /^(https?:\/\/)?[^/]*/i.exec(value)?.[0] ?? "";
  const endsHost = after === undefined || after.startsWith("/");
  if (/[*@]/.test(authority) || (!endsHost && /[/:]/.test(value))) throw refused();
  return authority + value.slice(authority.length).replaceAll("*", "%2A");
}
