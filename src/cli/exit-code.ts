/** What the command line ends with (DESIGN, Exit codes of the command line). */
export const exitCode = Object.freeze({
  done: 0,
  /** A step failed, or an internal error. */
  failed: 1,
  /** Usage or invalid input. */
  invalid: 2,
  /** Denied, or stopped until a person decides. */
  denied: 3,
  /** Verification failed: the log was tampered with, or evidence is not authentic. */
  unverified: 4,
  interrupted: 130,
});
