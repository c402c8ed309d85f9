import { EvidenceError, SynapseError } from "../model/errors.js";

/** Something in a log that is not as it must be. */
export interface Problem {
  /** Stable, snake_case. */
  readonly code: string;
  /** Number of the event that is to blame, or that the blamed row contradicts; null when no one event is. */
  readonly seq: number | null;
  readonly message: string;
  /** What it may mean, or what to do about it; null when there is no more to say. */
  readonly hint: string | null;
}

export function problem(
  code: string,
  message: string,
  seq: number | null = null,
  hint: string | null = null,
): Problem {
  return Object.freeze({ code, seq, message, hint });
}

/** What a check threw about evidence or a stored row, as a problem; undefined for a failure of another kind. */
export function problemOf(error: unknown, seq: number | null = null): Problem | undefined {
  if (error instanceof EvidenceError) return problem(error.code, error.message, error.seq ?? seq, error.hint);
  if (
    error instanceof SynapseError &&
    (error.code === "database_damaged" || error.code === "unauthenticated")
  )
    return problem(error.code, error.message, seq, error.hint);
  return undefined;
}
