/** How a step is run; not part of what is decided. */
export interface StepOptions {
  /** Cancels the step. */
  readonly signal?: AbortSignal | undefined;
  readonly deadlineMs?: number | undefined;
  readonly runId?: string | undefined;
  /** 1 for the first try. */
  readonly attempt?: number | undefined;
}

const runIdCharactersMax = 256;

/**
 * The options, each read once. They are the caller's own: what is wrong with them is told before anything
 * is asked or recorded, so that nothing can fail between an authorisation and its action.
 *
 * @throws TypeError
 */
export function readStepOptions(options: StepOptions): StepOptions {
  const { signal, deadlineMs, runId, attempt } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("`signal` is not an AbortSignal");
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === "number" && deadlineMs >= 0)) {
    throw new TypeError("`deadlineMs` is not a number of milliseconds");
  }
  if (runId !== undefined && !isShortText(runId)) {
    throw new TypeError(`\`runId\` must be text of 1 to ${runIdCharactersMax} characters`);
  }
  if (attempt !== undefined && !(Number.isSafeInteger(attempt) && attempt >= 1)) {
    throw new TypeError("`attempt` counts from 1");
  }
  return Object.freeze({ signal, deadlineMs, runId, attempt });
}

function isShortText(value: unknown): boolean {
  return (
    typeof value === "string" && value !== "" && value.length <= runIdCharactersMax && value.isWellFormed()
  );
}
