import type { AuditEvent } from "../model/event.js";
import type { Listener } from "./transition.js";

/** Those who are told of every durable event, in log order. */
export class Listeners {
  readonly #listeners = new Set<Listener>();
  /** The last event they were told of. */
  told: number;

  constructor(told: number) {
    this.told = told;
  }

  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(event: AuditEvent, foreign: boolean): void {
    this.told = event.seq;
    for (const listener of this.#listeners) {
      try {
        listener(event, foreign);
      } catch (error) {
        // The event stands, whatever a listener makes of it, and those who wait for it must hear so. As with
        // Node's EventTarget, the listener's error is the process's.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
}
