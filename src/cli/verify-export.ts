import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogVerdict } from "../audit/verify-log.js";
import { nodeCrypto } from "../core/node-crypto.js";
import { EvidenceError, SynapseError } from "../model/errors.js";
import { printBase64 } from "../model/proof/base64.js";
import { parseVerifierKey, type VerifierKey } from "../model/proof/verifier-key.js";
import { verifyExport } from "../verify.js";

/** What an exported log is verified with. */
export interface ExportCheckOptions {
  readonly key: VerifierKey | undefined;
  /** Take the key that lies in the export itself, which proves nothing about who signed (SEMANTICS R5). */
  readonly unauthenticated: boolean;
  readonly against: string | undefined;
  readonly onProgress: (done: number, of: number) => void;
}

/**
 * Verifies an export; needs no database.
 * @throws SynapseError `unauthenticated` without a key; EvidenceError.
 */
export async function verifyExportFolder(folder: string, options: ExportCheckOptions): Promise<LogVerdict> {
  const read = (path: string) => readFile(join(folder, path));
  const key = options.key ?? (options.unauthenticated ? await ownKey(read) : undefined);
  if (key === undefined) throw unauthenticated("export");
  const { checkpoint } = await verifyExport(read, key, {
    crypto: nodeCrypto,
    onProgress: options.onProgress,
    ...(options.against === undefined ? {} : { against: options.against }),
  });
  return Object.freeze({
    ok: true,
    events: checkpoint.size,
    checkpoints: options.against === undefined ? 1 : 2,
    root: printBase64(checkpoint.root),
    problems: [],
  });
}

/** Evidence that comes with its own key proves nothing by it (SEMANTICS R5). */
export function unauthenticated(what: string): SynapseError {
  return new SynapseError("unauthenticated", `UNAUTHENTICATED: nothing says whose ${what} this is`, {
    hint: "give the verifier key that you know the log by with --key, or look inside all the same with --unauthenticated",
  });
}

async function ownKey(read: (path: string) => Promise<Uint8Array>): Promise<VerifierKey> {
  let text: string;
  try {
    text = Buffer.from(await read("vkey")).toString("utf8");
  } catch (cause) {
    throw new EvidenceError("missing_file", "`vkey` cannot be read from the export", { path: "vkey", cause });
  }
  return parseVerifierKey(nodeCrypto.sha256, text.trimEnd());
}
