import { nodeCrypto } from "../../core/node-crypto.js";
import { nodeTreeHasher } from "../../core/tree-hasher.js";
import { parseNote } from "../../model/proof/note.js";
import {
  parseProofDocument,
  type ProvenEvent,
  verifyProofDocumentWith,
} from "../../model/proof/proof-document.js";
import type { VerifierKey } from "../../model/proof/verifier-key.js";
import { verifyProofDocument } from "../../verify.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { readEvidence } from "../document-file.js";
import { eventLine } from "../event-line.js";
import { exitCode } from "../exit-code.js";
import { unauthenticated } from "../verify-export.js";

interface CheckProofOptions extends CommonOptions {
  readonly key?: VerifierKey;
  readonly unauthenticated?: boolean;
}

/** `synapse audit check-proof`: opens no database. */
export const execute: Execute<CheckProofOptions> = async (context, [file = ""], { key, ...options }) => {
  const text = await readEvidence(context, file);
  if (key === undefined && options.unauthenticated !== true) throw unauthenticated("proof");
  const proven = key === undefined ? unsigned(text) : verifyProofDocument(text, key, { crypto: nodeCrypto });
  const { event, checkpoint } = proven;
  const authenticated = key !== undefined;
  if (!authenticated)
    context.note("UNAUTHENTICATED: the proof is sound in itself; nothing says whose log it is of");
  if (context.json)
    context.document({ ok: true, authenticated, event, origin: checkpoint.origin, size: checkpoint.size });
  else {
    context.out.line(`event ${event.seq} is in the log ${checkpoint.origin} of ${checkpoint.size} events`);
    context.out.line(eventLine(event, context.palette));
  }
  return exitCode.done;
};

/** All but the signature: every key that the note names is taken at its word. */
function unsigned(text: string): ProvenEvent {
  const { signatures } = parseNote(parseProofDocument(text).checkpoint);
  const verifiers = signatures.map(({ name, keyId }) => ({ name, keyId, verify: () => true }));
  return verifyProofDocumentWith(nodeTreeHasher, text, verifiers);
}
