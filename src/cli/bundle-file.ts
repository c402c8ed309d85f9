import { resolve } from "node:path";
import type { VerifierKey } from "../model/proof/verifier-key.js";
import { type Bundle, readBundle } from "../replay/bundle-read.js";
import type { CommandContext } from "./context.js";
import { unauthenticated } from "./verify-export.js";

/**
 * Reads and verifies a bundle with the key that the reader knows, or on demand without one.
 * @throws SynapseError `unauthenticated` (SEMANTICS R5), `unreadable_file`; EvidenceError.
 */
export async function readKnownBundle(
  context: CommandContext,
  file: string,
  { key, ...options }: { readonly key?: VerifierKey; readonly unauthenticated?: boolean },
): Promise<Bundle> {
  if (key === undefined && options.unauthenticated !== true) throw unauthenticated("bundle");
  const bundle = await readBundle(resolve(context.cwd, file), key);
  if (key === undefined)
    context.note("UNAUTHENTICATED: the bundle is sound in itself; nothing says whose log it is of");
  return bundle;
}
