const freeDenials = 64;
const delayMsMax = 100;
const agentsMax = 10_000;

/**
 * Slows an agent that is denied over and over (SEMANTICS D9): after 64 denials in a row each further
 * request waits a millisecond longer, up to 100. Nothing is sampled or dropped; one success clears it. Of more than
 * 10,000 such agents the one that was denied longest ago is forgotten: names that nobody bears must not fill memory.
 */
export class DenialBackoff {
  readonly #streaks = new Map<string, number>();

  async wait(agentId: string): Promise<void> {
    const delayMs = Math.min((this.#streaks.get(agentId) ?? 0) - freeDenials, delayMsMax);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  note(agentId: string, allowed: boolean): void {
    const streak = this.#streaks.get(agentId) ?? 0;
    // Taken out and put in again, so that the first one is the one that was denied longest ago.
    this.#streaks.delete(agentId);
    if (allowed) return;
    this.#streaks.set(agentId, streak + 1);
    const [oldest] = this.#streaks.keys();
    if (this.#streaks.size > agentsMax && oldest !== undefined) this.#streaks.delete(oldest);
  }
}
