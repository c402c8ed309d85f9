import { HttpRefusal } from "../../../model/errors.js";

/** Bounds what the bodies of one agent take at a time, from their first byte until a session has taken them. */
export class BodyBudget {
  readonly #bytesMax: number;
  readonly #used = new Map<string, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * @param agent tells agents apart.
   * @returns `take` throws HttpRefusal `too_many_requests`; `giveBack` gives back all that was taken, once.
   */
  open(agent: string): { readonly take: (bytes: number) => void; readonly giveBack: () => void } {
    let own = 0;
    const add = (bytes: number): void => {
      const used = (this.#used.get(agent) ?? 0) + bytes;
      own += bytes;
      if (used === 0) this.#used.delete(agent);
      else this.#used.set(agent, used);
    };
    return {
      take: (bytes) => {
        if ((this.#used.get(agent) ?? 0) + bytes > this.#bytesMax)
          throw new HttpRefusal(
            429,
            "too_many_requests",
            "too much is being sent at a time; wait for answers",
          );
        add(bytes);
      },
      giveBack: () => add(-own),
    };
  }
}
