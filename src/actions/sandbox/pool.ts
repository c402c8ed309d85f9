import { availableParallelism } from "node:os";
import type { ScriptEnd, ScriptJob } from "./protocol.js";
import { type OnCall, SandboxWorker } from "./sandbox-worker.js";

export interface PoolOptions {
  /** Most scripts at once. Default: the processors there are, 4 to 8. */
  readonly size?: number;
  /** After so many scripts a worker is replaced. */
  readonly scriptsPerWorker?: number;
  /** When the process' resident memory has grown by this since the last look, a worker is replaced. */
  readonly growthBytesMax?: number;
  /** Makes a worker; tests bring their own. */
  readonly create?: () => SandboxWorker;
}

/** Whose script it is, and what ends it. */
export interface PoolCall {
  readonly job: ScriptJob;
  readonly agentId: string;
  readonly signal: AbortSignal;
  readonly onCall: OnCall;
}

interface Waiter {
  readonly agentId: string;
  readonly start: () => void;
}

/**
 * The threads that scripts run on. A worker runs one script after another, each in an engine of its own; one
 * that had to be killed, or has served long enough, is replaced. One agent cannot take all of them (SEMANTICS
 * D9): its endless scripts leave at least one for the others.
 */
export class SandboxPool {
  readonly #options: Required<PoolOptions>;
  readonly #idle: SandboxWorker[] = [];
  readonly #waiting: Waiter[] = [];
  readonly #busyOf = new Map<string, number>();
  #busy = 0;
  #residentBytes = process.memoryUsage.rss();

  constructor(options: PoolOptions = {}) {
    this.#options = {
      size: Math.min(8, Math.max(4, availableParallelism())),
      scriptsPerWorker: 500,
      growthBytesMax: 512 * 1024 * 1024,
      create: () => new SandboxWorker(),
      ...options,
    };
  }

  /**
   * Runs a script to its end, or until the signal ends its thread.
   * @throws what the signal was aborted with; everything else is in the `ScriptEnd`.
   */
  async run({ job, agentId, signal, onCall }: PoolCall): Promise<ScriptEnd> {
    await this.#turn(agentId, signal);
    let ended: Promise<void> | undefined;
    try {
      const worker = this.#idle.pop() ?? this.#options.create();
      try {
        return await untilStopped(worker, signal, worker.run(job, onCall));
      } finally {
        ended = this.#retire(worker);
      }
    } finally {
      // The turn is over when the thread is: a killed one may still be burning its processor.
      void Promise.resolve(ended).then(() => this.#release(agentId));
    }
  }

  /** Ends the idle workers. Those that run a script end with it. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.kill()));
  }

  async #retire(worker: SandboxWorker): Promise<void> {
    const { scriptsPerWorker, growthBytesMax } = this.#options;
    // There is no resident memory of a thread. Whoever else let the process grow costs one worker, not all.
    const isBloated = process.memoryUsage.rss() > this.#residentBytes + growthBytesMax;
    if (!worker.dead && !isBloated && worker.scripts < scriptsPerWorker) {
      this.#idle.push(worker);
      return;
    }
    await worker.kill();
    if (isBloated) this.#residentBytes = process.memoryUsage.rss();
  }

  #turn(agentId: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        const index = this.#waiting.indexOf(waiter);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        agentId,
        start: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiter);
      this.#admit();
    });
  }

  #release(agentId: string): void {
    this.#busy--;
    const left = (this.#busyOf.get(agentId) ?? 1) - 1;
    if (left === 0) this.#busyOf.delete(agentId);
    else this.#busyOf.set(agentId, left);
    this.#admit();
  }

  #admit(): void {
    const { size } = this.#options;
    const perAgent = Math.max(1, size - 1);
    while (this.#busy < size) {
      const index = this.#waiting.findIndex(({ agentId }) => (this.#busyOf.get(agentId) ?? 0) < perAgent);
      const [waiter] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (waiter === undefined) return;
      this.#busy++;
      this.#busyOf.set(waiter.agentId, (this.#busyOf.get(waiter.agentId) ?? 0) + 1);
      waiter.start();
    }
  }
}

/** What the script came to, unless the signal ends its thread first. */
async function untilStopped(
  worker: SandboxWorker,
  signal: AbortSignal,
  end: Promise<ScriptEnd>,
): Promise<ScriptEnd> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => {
      // First, since a killed worker answers too: what ended the script is the reason, not its thread's end.
      reject(signal.reason as Error);
      void worker.kill();
    };
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    return await Promise.race([stopped, end]);
  } finally {
    // A signal that is aborted later must not end the script of somebody else on the same thread.
    signal.removeEventListener("abort", stop);
  }
}
