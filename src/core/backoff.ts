const freeDenials = 64;
const delayMsMax = 100;

/**
 * Slows an agent that is denied over and over (SEMANTICS D9): after 64 denials in a row each further
 * request waits a millisecond longer, up to 100. Nothing is sampled or dropped; one success clears it.
 */
export class DenialBackoff {
  readonly #streaks = new Map<string, number>();

  async wait(agentId: string): Promise<void> {
    const delayMs = Math.min((this.#streaks.get(agentId) ?? 0) - freeDenials, delayMsMax);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  note(agentId: string, allowed: boolean): void {
    if (allowed) this.#streaks.delete(agentId);
    else this.#streaks.set(agentId, (this.#streaks.get(agentId) ?? 0) + 1);
  }
}
