import type { Need } from "./disk-room.js";
import type { Transition } from "./transition.js";

/**
 * The lane of changes of authority. No agent's identifier can be spelt like it (A1): an agent that called
 * itself by it would be served before everyone and could fill the space that is kept for revocations.
 */
export const adminLane = "#admin";

/** A transition that waits for its transaction, and whom to tell. */
export interface Job {
  readonly lane: string;
  readonly need: Need;
  readonly run: Transition<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Queues, one for each agent, served in turn: an agent with a thousand requests waits behind itself and
 * delays another agent's one request by one turn (SEMANTICS D9). `adminLane` is served before everyone.
 */
export class Lanes {
  readonly #queues = new Map<string, Job[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(job: Job): void {
    const queue = this.#queues.get(job.lane);
    if (queue === undefined) this.#queues.set(job.lane, [job]);
    else queue.push(job);
    this.#size++;
  }

  /** Takes up to `most` jobs, one a lane and round; each lane keeps its own order. */
  take(most: number): Job[] {
    const taken = this.#queues.get(adminLane)?.splice(0, most) ?? [];
    if (this.#queues.get(adminLane)?.length === 0) this.#queues.delete(adminLane);
    const positions = new Map<string, number>();
    for (let round = 0, progress = true; progress && taken.length < most; round++) {
      progress = false;
      for (const [lane, queue] of this.#queues) {
        const job = lane === adminLane ? undefined : queue[round];
        if (job === undefined || taken.length >= most) continue;
        taken.push(job);
        positions.set(lane, round + 1);
        progress = true;
      }
    }
    for (const [lane, count] of positions) {
      const queue = this.#queues.get(lane) as Job[];
      queue.splice(0, count);
      // A lane served last in this batch starts behind the others in the next.
      this.#queues.delete(lane);
      if (queue.length > 0) this.#queues.set(lane, queue);
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Returns jobs that were taken, in front of those that came after them. */
  putBack(jobs: readonly Job[]): void {
    for (const job of [...jobs].reverse()) {
      const queue = this.#queues.get(job.lane);
      if (queue === undefined) this.#queues.set(job.lane, [job]);
      else queue.unshift(job);
    }
    this.#size += jobs.length;
  }
}
