import type { Capability } from "../model/capability/index.js";

/** A capability's text cut into the parts that a wildcard may stand for, and what puts them together again. */
export interface Slots {
  readonly texts: readonly string[];
  /** Whether a wildcard may come into each place. */
  readonly mayVary: readonly boolean[];
  readonly rebuild: (texts: readonly string[]) => string;
}

const none: Slots = { texts: [], mayVary: [], rebuild: () => "" };

/** Programs, scripts and tools are not alike because their names are. */
const exactDomains: ReadonlySet<string> = new Set(["os", "code", "mcp"]);

/** Of paths every segment but the first, of hosts the first of at least three labels. */
export function slotsOf(capability: Capability): Slots {
  const { domain, action, text, resource } = capability;
  if (resource === undefined || exactDomains.has(domain)) return none;
  const head = `${domain}:${action}:`;
  if (resource.kind === "segments") {
    const texts = splitPath(text.slice(head.length));
    const root = resource.rooted ? 1 : 0;
    return {
      texts,
      mayVary: texts.map((segment, at) => at > root && isLiteral(segment)),
      rebuild: (parts) => head + parts.join("/"),
    };
  }
  const path = resource.path?.text ?? "";
  const beforePath = text.slice(0, text.length - path.length);
  const hostAt = beforePath.lastIndexOf(resource.host.text);
  const [before, after] = [beforePath.slice(0, hostAt), beforePath.slice(hostAt + resource.host.text.length)];
  const labels = resource.host.text.split(".");
  const isName = resource.host.kind === "labels" && labels.length >= 3;
  const [first, rest] = isName
    ? [labels[0] ?? "", `.${labels.slice(1).join(".")}`]
    : [resource.host.text, ""];
  const segments = splitPath(path);
  return {
    texts: [first, ...segments],
    mayVary: [isName && isLiteral(first), ...segments.map(isLiteral)],
    rebuild: ([label = "", ...parts]) => before + label + rest + after + parts.join("/"),
  };
}

/** An escaped slash belongs to its segment. */
function splitPath(text: string): string[] {
  if (text === "") return [];
  const segments = [""];
  for (const [part] of text.matchAll(/\\.|[^\\]/gsu)) {
    if (part === "/") segments.push("");
    else segments[segments.length - 1] += part;
  }
  return segments;
}

function isLiteral(segment: string): boolean {
  return segment !== "" && !/(?:^|[^\\])(?:\\\\)*\*/.test(segment);
}
