import type { Capability } from "./capability.js";

/**
 * A capability's text with its last segment generalised, to group many that differ in a name only:
 * `fs:read:/srv/notes/*`, `crm:update:accounts/*`. A `net` resource keeps its host and loses its path. For
 * people to read; it is no grant.
 */
export function shapeOf({ text, resource }: Capability): string {
  if (resource === undefined) return text;
  if (resource.kind === "net") {
    if (resource.path === undefined) return text;
    return `${text.slice(0, text.length - resource.path.text.length)}/**`;
  }
  if (resource.sequence.segments.length < 2) return text;
  // An escaped slash belongs to a name.
  const slash = /^(?:.*[^\\])?(\/)/s.exec(text);
  return slash === null ? text : `${slash[0]}*`;
}
