import { EffectFailedError } from "../../model/errors.js";
import { statelessVersion } from "../protocol/envelope.js";
import type { Upstream } from "./upstream.js";

/** How long servers are not asked again whether they speak the stateless revision by now, ms. */
const rememberedMs = 10 * 60_000;

/** What a gateway remembers of its servers' revisions: it is theirs, whoever asks (MCP 2026-07-28, versioning). */
export class Spoken {
  readonly #now: () => number;
  #otherUntil = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Some server does not speak the stateless revision. */
  get isOther(): boolean {
    return this.#now() < this.#otherUntil;
  }

  other(): void {
    this.#otherUntil = this.#now() + rememberedMs;
  }
}

/**
 * Finds out whether one session's servers speak the stateless revision: every one that is there has to. Where one does
 * not, clients that can are steered to `initialize`, since most servers speak that as well.
 */
export class StatelessProbe {
  readonly #upstreams: readonly Upstream[];
  readonly #spoken: Spoken;
  readonly #log: (server: string, text: string) => void;
  #answer: Promise<boolean> | undefined;

  constructor(upstreams: readonly Upstream[], spoken: Spoken, log: (server: string, text: string) => void) {
    this.#upstreams = upstreams;
    this.#spoken = spoken;
    this.#log = log;
  }

  async isSpoken(): Promise<boolean> {
    // Servers are not started just to be asked what is known.
    if (this.#answer === undefined && this.#spoken.isOther) return false;
    const answer = (this.#answer ??= this.#ask());
    if (await answer) return true;
    // It may have been that none was there.
    if (this.#answer === answer) this.#answer = undefined;
    return false;
  }

  async #ask(): Promise<boolean> {
    const found = await Promise.all(this.#upstreams.map((upstream) => this.#kindOf(upstream)));
    const named = (kind: string): readonly Upstream[] =>
      this.#upstreams.filter((_, at) => found[at] === kind);
    const others = named("other");
    if (others.length > 0) {
      this.#spoken.other();
      if (named("stateless").length > 0) {
        const names = others.map(({ name }) => name).join(", ");
        this.#log(
          "gateway",
          `clients are asked to initialize, since ${statelessVersion} is not spoken by ${names}`,
        );
      }
      return false;
    }
    if (named("stateless").length === 0) return false;
    // One that is not there now is asked again when it is needed.
    for (const { connection } of named("gone")) connection.expectStateless();
    return true;
  }

  async #kindOf(upstream: Upstream): Promise<"stateless" | "other" | "gone"> {
    try {
      return (await upstream.connection.discover()).kind;
    } catch (error) {
      if (!(error instanceof EffectFailedError)) throw error;
      this.#log(upstream.name, error.message);
      return "gone";
    }
  }
}
