/** Holds back those who pass while it is shut. */
export class Gate {
  #opened: Promise<void> | undefined;
  #open: () => void = () => undefined;

  shut(): void {
    this.#opened ??= new Promise((resolve) => (this.#open = resolve));
  }

  open(): void {
    this.#opened = undefined;
    this.#open();
  }

  async passed(): Promise<void> {
    while (this.#opened !== undefined) await this.#opened;
  }
}
