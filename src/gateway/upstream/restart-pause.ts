const pauseMsMin = 250;
const pauseMsMax = 30_000;
/** A server that ran for so long has recovered. */
const healthyMs = 30_000;

/** How long a server that ends again and again is left alone. */
export class RestartPause {
  #failures = 0;
  #notBefore = 0;
  #startedAt = 0;

  /** Before it may be started, ms; not positive: now. */
  get waitMs(): number {
    return this.#notBefore - performance.now();
  }

  started(): void {
    this.#startedAt = performance.now();
  }

  ended(): void {
    if (performance.now() - this.#startedAt > healthyMs) this.#failures = 0;
    const waitMs = Math.min(pauseMsMin * 2 ** this.#failures++, pauseMsMax);
    // The first restart is at once: a server that ends after each call is slow, and not broken.
    this.#notBefore = performance.now() + (this.#failures === 1 ? 0 : waitMs);
  }
}
