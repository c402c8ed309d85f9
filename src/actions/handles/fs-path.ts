import type { EffectGrant } from "../../core/ports.js";
import { capability } from "../../model/capability/index.js";
import { CapabilitySyntaxError, EffectDeniedError, InvalidDataError } from "../../model/errors.js";

/** The four actions of the `fs` domain (SEMANTICS C, table of domains). */
export type FsAction = "read" | "write" | "list" | "delete";

/** A path as a handle was given it: hostile until it is a string; its syntax is the capability's (C4, C5). */
export function parsePath(value: unknown): string {
  if (typeof value !== "string") {
    throw new InvalidDataError(
      "path",
      "a path is a string",
      "give an absolute path such as `/workspace/notes.txt`",
    );
  }
  return value;
}

/** Last segment and what is before it. The root has the empty name and is its own parent. */
export function splitPath(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf("/");
  return { parent: slash === 0 ? "/" : path.slice(0, slash), name: path.slice(slash + 1) };
}

export function joinPath(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

/**
 * Checks the path that is really reached. A path that cannot be written as a capability (control
 * characters, too long, too deep) lies outside everything: no grant can name it.
 */
export function assertReached(grant: EffectGrant, action: FsAction, realPath: string): void {
  grant.reached(toReachedCapability(action, realPath));
}

export function toReachedCapability(action: FsAction, realPath: string): string {
  try {
    return capability("fs", action, realPath);
  } catch (error) {
    if (!(error instanceof CapabilitySyntaxError)) throw error;
    throw outsideAuthority();
  }
}

/** For places that no capability can name; says nothing about where they are. */
export function outsideAuthority(): EffectDeniedError {
  return new EffectDeniedError("outside_authority", "the path leads to a place that no capability can name");
}
