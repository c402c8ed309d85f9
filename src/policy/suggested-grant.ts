import type { Terms } from "./terms.js";

/** One line of the suggestion, and the contract of its own that it rests on. */
export interface SuggestedGrant {
  readonly agent: string;
  readonly capability: string;
  readonly contract: Terms;
  readonly grant: Terms;
  readonly uses: number;
  readonly generalisedFrom: readonly string[];
  /** What was touched of a pattern that a step asked for. */
  readonly touched: readonly string[];
  /** ms: when the original ended, if it has. */
  readonly endedAt: number | undefined;
}

/** Whether it can be used up. */
export function isCounted({ contract, grant }: SuggestedGrant): boolean {
  return [contract, grant].some(
    ({ constraints }) => constraints.max_uses !== undefined || constraints.rate !== undefined,
  );
}
