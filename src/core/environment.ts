import { createHash } from "node:crypto";
import { canonicalJson } from "../model/canonical.js";

/** What an action knows of its surroundings: deterministic, and the signal that ends it. */
export interface Environment {
  /** Aborted at the deadline, on cancel, and when the step's authority ends. */
  readonly signal: AbortSignal;
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
  /** Logical time, ms: the context's `createdAt`, one millisecond later at each call (SEMANTICS R1). */
  now(): number;
  /** In [0, 1), 53 bits, from the execution seed. Never for secrets. */
  random(): number;
  /** RFC 9562 version 4 in form, from the execution seed. Never for secrets. */
  uuid(): string;
}

/** What an environment draws from the execution seed. */
export type Deterministic = Pick<Environment, "now" | "random" | "uuid">;

/**
 * The deterministic part of an environment (SEMANTICS R1).
 *
 * Construction: key = SHA-256("synapse-env-v1" 0x00 canonical {seed, step_id, workflow_id}); block i =
 * SHA-256(key ‖ i as 64-bit big-endian), i from 0; one block a draw. Retries draw the same values: the
 * attempt is no part of the key.
 */
export function deterministicSource(of: {
  readonly seed: number | string;
  readonly workflowId: string;
  readonly stepId: string;
  readonly startMs: number;
}): Deterministic {
  // Made at the first draw: most actions make none.
  let key: Buffer | undefined;
  let block = 0n;
  let time = of.startMs;
  const draw = (): Buffer => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(block++);
    key ??= keyOf(of);
    return createHash("sha256").update(key).update(counter).digest();
  };
  return {
    now: () => time++,
    random: () => Number(draw().readBigUInt64BE() >> 11n) / 2 ** 53,
    uuid: () => {
      const bytes = draw().subarray(0, 16);
      bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
      return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
  };
}

function keyOf(of: { readonly seed: number | string; readonly workflowId: string; readonly stepId: string }) {
  const identity = canonicalJson({ seed: of.seed, step_id: of.stepId, workflow_id: of.workflowId });
  return createHash("sha256").update(`synapse-env-v1\0${identity}`).digest();
}
