/** The action of a grant for every action. No named one has it. */
export const ANY_ACTION = -1;

/** Keys of the longest text, its domain counted: a host has 127 labels at most, and all of it is read at once. */
const ROUTE_MAX = 256;

/**
 * The numbers that a capability is filed under and found by. They are used at once and written over by the next
 * reading: a decision asks for them once, and an array for each would cost more than the reading.
 */
export class Route {
  /** For the domain alone, and then with each more of the keys (`indexKeys`). */
  readonly prefixes = new Int32Array(ROUTE_MAX);
  /** The last of `prefixes` that counts. */
  depth = 0;
  /** `actionNumber`, or `ANY_ACTION`. */
  action = 0;
}

export function actionNumber(hash: number): number {
  return hash >>> 1;
}
