/** How often the operator is told of refusals, ms. */
const everyMs = 10_000;

/**
 * Tells the operator what the door refused: the first of a kind at once, then how many. Whoever knocks has not shown
 * who they are, so what they do must not fill anybody's disk.
 */
export class RefusalLog {
  readonly #log: (text: string) => void;
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: (text: string) => void) {
    this.#log = log;
  }

  /** @param code one of a closed set. */
  add(code: string): void {
    const before = this.#counts.get(code);
    this.#counts.set(code, before === undefined ? 0 : before + 1);
    if (before === undefined) this.#log(`a request was refused (${code})`);
    this.#timer ??= setInterval(() => this.#tell(), everyMs).unref();
  }

  close(): void {
    this.#tell();
    clearInterval(this.#timer);
  }

  #tell(): void {
    for (const [code, count] of this.#counts)
      if (count > 0) this.#log(`${count} more requests were refused (${code})`);
    this.#counts.clear();
  }
}
