import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { SynapseError } from "../../model/errors.js";

/**
 * The places that a path argument of a local server stands for: as it is named, and where its folder and it itself
 * really are (SEMANTICS H3: what is asked, and where it lands). All of them have to be granted.
 *
 * What changes between this and the server's own use of the path is not seen here: confine the server as well.
 *
 * @param dots `lexical`: the server takes `..` out as text before it opens anything, as the reference server does.
 *   Else `..` is refused, for what it means depends on links.
 * @throws SynapseError `unresolved_path`
 */
export async function placesOf(path: string, dots: "lexical" | "refused"): Promise<readonly string[]> {
  if (path.includes("\0")) throw unresolved("it holds a NUL character");
  if (!isAbsolute(path)) throw unresolved("write it from the root, beginning with /");
  if (dots === "refused" && path.split("/").includes("..")) throw unresolved("write it without `..`");
  const named = resolve(path);
  const places = new Set<string>();
  // A server may take two spellings of one name for the same: an exception for one must hold for the other.
  for (const spelling of new Set([named, named.normalize("NFC"), named.normalize("NFD")])) {
    places.add(spelling);
    if (spelling === "/") continue;
    places.add(join(await realAncestor(dirname(spelling)), basename(spelling)));
    places.add(await realAncestor(spelling));
  }
  return [...places];
}

/** Where a path leads, as far as it exists; what does not exist yet is appended as it is. */
async function realAncestor(path: string): Promise<string> {
  const missing: string[] = [];
  let at = path;
  for (;;) {
    try {
      return join(await realpath(at), ...missing);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A link to nowhere, a loop, a folder that may not be looked into: where it leads cannot be told.
      if ((code !== "ENOENT" && code !== "ENOTDIR") || at === "/")
        throw unresolved("where it leads cannot be told", error);
      if (await isLink(at)) throw unresolved("it leads through a link to something that is not there", error);
      missing.unshift(basename(at));
      at = dirname(at);
    }
  }
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw unresolved("where it leads cannot be told", error);
  }
}

function unresolved(why: string, cause?: unknown): SynapseError {
  return new SynapseError("unresolved_path", `the path cannot be resolved: ${why}`, { cause });
}
