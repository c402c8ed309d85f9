import { setTimeout as pause } from "node:timers/promises";
import { EffectFailedError } from "../../model/errors.js";
import type { JsonValue } from "../../model/json.js";
import { ownEnvelope } from "../protocol/envelope.js";
import { listNamed, type ListName } from "./announcements.js";
import type { Ground } from "./session-ground.js";
import type { Upstream } from "./upstream.js";

const pauseMsMin = 1_000;
const pauseMsMax = 30_000;

const kinds: readonly (readonly [list: ListName, member: string])[] = [
  ["tools", "toolsListChanged"],
  ["prompts", "promptsListChanged"],
  ["resources", "resourcesListChanged"],
];

/**
 * Hears of changes of the lists of servers without sessions, whether the client does or not: a tool that is another one
 * now must not be called as if it were the one that was looked at.
 */
export class ListWatch {
  readonly #ground: Ground;
  readonly #stop = new AbortController();
  readonly #watched = new Set<Upstream>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Begins; for a server that was started again, begins again. */
  watch(upstream: Upstream): void {
    const lists = kinds.filter(([list]) => upstream.capability(list)?.["listChanged"] === true);
    if (lists.length === 0 || this.#watched.has(upstream)) return;
    this.#watched.add(upstream);
    void this.#keep(upstream, lists)
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#ground.log(upstream.name, `its changes are not heard of: ${String(error)}`);
      })
      .finally(() => this.#watched.delete(upstream));
  }

  close(): void {
    this.#stop.abort(new Error("the session is over"));
  }

  async #keep(upstream: Upstream, lists: typeof kinds): Promise<void> {
    const { upstreams, gateway, log } = this.#ground;
    const { signal } = this.#stop;
    const notifications = Object.fromEntries(lists.map(([, member]): [string, JsonValue] => [member, true]));
    const params = { _meta: ownEnvelope({ ...gateway }), notifications };
    for (let waitMs = pauseMsMin; !signal.aborted; waitMs = Math.min(waitMs * 2, pauseMsMax)) {
      try {
        const hears = ({ method }: { readonly method: string }): void => {
          const list = listNamed(method);
          if (list !== undefined) upstreams.listChanged(upstream, list);
          // It is alive, and what it had to tell before is made up for.
          waitMs = pauseMsMin;
        };
        const { error } = await upstream.connection.listen(params, hears, signal);
        if (error !== undefined) return log(upstream.name, "it does not tell when its lists change");
      } catch (error) {
        if (!(error instanceof EffectFailedError)) throw error;
        // A program that ended is started again by the next call, and not by us; then it is watched again.
        if (upstream.server.transport.kind === "stdio") return;
      }
      await pause(waitMs, undefined, { signal, ref: false });
      // What changed meanwhile nobody told.
      for (const [list] of lists) upstreams.listChanged(upstream, list);
    }
  }
}
