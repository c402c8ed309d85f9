import type { ASTNode } from "@marcbachmann/cel-js";
import type { CelReference } from "./syntax.js";

/** The constant path of a chain of accesses; undefined when it does not start at a declared variable. */
export function referenceOf(node: ASTNode, locals: readonly string[]): CelReference | undefined {
  const path: string[] = [];
  let current = node;
  while (current.op === "." || current.op === "[]") {
    const segment = current.op === "." ? current.args[1] : constantKey(current.args[1]);
    // What follows a computed index belongs to a value that is not known yet.
    if (segment === undefined) path.length = 0;
    else path.unshift(segment);
    current = current.args[0];
  }
  if (current.op !== "id" || locals.includes(current.args)) return undefined;
  return { variable: current.args, path: Object.freeze(path), offset: current.start };
}

function constantKey(node: ASTNode): string | undefined {
  return node.op === "value" && typeof node.args === "string" ? node.args : undefined;
}
