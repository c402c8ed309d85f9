import { EvidenceError } from "../model/errors.js";
import type { JsonObject } from "../model/json.js";

/*
 * A bundle is the evidence of one run in one file: UTF-8, a JSON document a line, in this order.
 *
 * 1. the header: `{"type":"bundle","format":"synapse-bundle/v1","run_id":…,"checkpoint":…,"vkey":…}`; the signed
 *    checkpoint (C2SP note) that all proofs lead to, and the key that is said to have signed it;
 * 2. events, by number: `{"type":"event","event":…,"inclusion":[base64…]}`; index = `event.seq` - 1, proof as in
 *    RFC 9162, 2.1.3;
 * 3. bytes behind commitments: `{"type":"blob","ref":…,"salt":base64,"bytes":base64}`.
 *
 * Of the log it has every event of the run, every change of authority before its end, and every authorisation that
 * used up a limit: what the run's decisions follow from. A complete one has all events of the checkpoint.
 */
export const bundleFormat = "synapse-bundle/v1";

export interface BundleHeader extends JsonObject {
  readonly type: "bundle";
  readonly format: typeof bundleFormat;
  readonly run_id: string;
  readonly checkpoint: string;
  readonly vkey: string;
}

export interface BundleEvent extends JsonObject {
  readonly type: "event";
  readonly event: JsonObject;
  readonly inclusion: readonly string[];
}

export interface BundleBlob extends JsonObject {
  readonly type: "blob";
  readonly ref: string;
  readonly salt: string;
  readonly bytes: string;
}

export type BundleLine = BundleHeader | BundleEvent | BundleBlob;

/** How much of a bundle is read; what has more is refused. */
export interface BundleLimits {
  readonly bytesMax: number;
  readonly lineBytesMax: number;
  /** Of lines that are read as JSON of any form; a longer one can only hold recorded bytes. */
  readonly documentBytesMax: number;
  readonly eventsMax: number;
}

export const bundleLimits: BundleLimits = Object.freeze({
  bytesMax: 1024 * 1024 * 1024,
  // The largest output, 16 MiB, each byte of it escaped in JSON, in base64.
  lineBytesMax: 160 * 1024 * 1024,
  // The largest event, all of it escaped, and its proof.
  documentBytesMax: 1024 * 1024,
  eventsMax: 2_000_000,
});

export function malformedBundle(why: string, cause?: unknown): EvidenceError {
  return new EvidenceError("malformed_bundle", `this is not a bundle: ${why}`, { cause });
}
