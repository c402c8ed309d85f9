/**
 * A path as an action's parameters give it, made absolute: `./a` and `a` lie in the working folder. Nothing
 * else is resolved: `..` is left for the capability grammar to refuse (SEMANTICS C4), because text that is
 * normalised before it is checked is how checks are got round.
 */
export function fromWorkingFolder(workingFolder: string, path: unknown): unknown {
  if (typeof path !== "string" || path === "" || path.startsWith("/")) return path;
  if (path === "." || path === "./") return workingFolder;
  const relative = path.startsWith("./") ? path.slice(2) : path;
  return workingFolder === "/" ? `/${relative}` : `${workingFolder}/${relative}`;
}
