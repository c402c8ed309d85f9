import { expect } from "vitest";
import { CapabilitySyntaxError } from "../../src/model/errors.js";

/** Runs `attempt`, which must refuse, and gives the error for a closer look. */
export function refusalOf(attempt: () => unknown): CapabilitySyntaxError {
  let thrown: unknown;
  try {
    const accepted = attempt();
    expect.fail(`accepted: ${JSON.stringify(accepted)}`);
  } catch (error) {
    thrown = error;
  }
  if (!(thrown instanceof CapabilitySyntaxError)) throw thrown;
  expect(thrown.code).toBe("invalid_capability");
  expect(thrown.position).toBeGreaterThanOrEqual(0);
  expect(thrown.position).toBeLessThanOrEqual(thrown.input.length);
  return thrown;
}
