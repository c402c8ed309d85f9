import { canonicalJson } from "../model/canonical.js";
import { boundedText } from "../model/bounded-text.js";
import { parseCapability } from "../model/capability/index.js";
import { commonBlocks } from "../model/constraint/blocks.js";
import { holds } from "../model/decide.js";
import { AuditUnavailableError, EffectDeniedError, SynapseError } from "../model/errors.js";
import { type AuditEvent, type EventBody, textMember } from "../model/event.js";
import { inOrder } from "../model/in-order.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { commitTo, commitToText, LaterCommitment } from "./commitment.js";
import type { RecordedAnswer, Told } from "./invoke-action.js";
import type { Ledger, Tx } from "./ledger.js";
import type { EffectGate, EffectGrant, EffectUse } from "./ports.js";
import { type Power, powersFor, reaches, withinChain } from "./power.js";
import { assertOpen, type RunningStep } from "./running-steps.js";
import { failureOf } from "./settle.js";
import { RequestRecorder } from "./shared-parts.js";
import type { Blob } from "./store.js";

export interface EffectLimits {
  readonly effectsMax: number;
  readonly bytesMax: number;
}

/** UTF-16 units of a request from which on its record is written while the other side works, and not with the answer. */
const writtenAtOnce = 32 * 1024;

/**
 * The guard's side of the handles of one step (SEMANTICS H1): admits each use, checks where it lands, and
 * journals it as it goes: intent and request, then outcome and answer, both bytes behind commitments (R3).
 */
export class Effects implements EffectGate {
  readonly agentId: string;
  readonly traceId: string;
  readonly #step: RunningStep;
  readonly #ledger: Ledger;
  readonly #powers: readonly Power[];
  readonly #limits: EffectLimits;
  /** Members that every event of this step has. */
  readonly #common: JsonObject;
  readonly #requests: RequestRecorder;
  #count = 0;
  #inFlight = 0;
  #wakeIdle: () => void = () => undefined;
  #ended = false;
  #lastTurn = Promise.resolve();
  #unrecorded: AuditUnavailableError | undefined;
  #answered: RecordedAnswer | undefined;

  constructor(
    step: RunningStep,
    ledger: Ledger,
    powers: readonly Power[],
    limits: EffectLimits,
    common: JsonObject,
    params: JsonObject,
  ) {
    this.agentId = step.agentId;
    this.traceId = textMember(common, "trace_id");
    this.#step = step;
    this.#ledger = ledger;
    this.#powers = powers;
    this.#limits = limits;
    this.#common = common;
    this.#requests = new RequestRecorder(params);
  }

  get signal(): AbortSignal {
    return this.#step.signal;
  }

  get count(): number {
    return this.#count;
  }

  async perform<T extends JsonValue | object>(
    use: EffectUse,
    body: (grant: EffectGrant) => Promise<T>,
  ): Promise<T> {
    const n = ++this.#count;
    const target = use.capabilities[0] ?? "";
    const capabilities = [...use.capabilities];
    const members: { [name: string]: JsonValue } = { effect: use.kind, n, capabilities, ...this.#common };
    // In the place of the step's own.
    members["capability"] = target;
    this.#inFlight++;
    try {
      const outcome = await this.#attempt(use, n, members, body).then(
        (answer) => ({ answer }),
        (error: unknown) => ({ error }),
      );
      await this.#answersTurn();
      if ("error" in outcome) throw outcome.error;
      const { answer } = outcome;
      // An answer that arrives after the authority ended is fenced like a late result (D7).
      this.#assertAlive();
      // What the action is told is what a replay reads behind the commitment, down to the order of its members.
      const value = inOrder(answer as JsonValue);
      const canonical = canonicalJson(value);
      const kept = commitToText(canonical);
      const answered: RecordedAnswer = {
        value,
        canonical,
        bytes: kept.bytes.length,
        ref: kept.ref,
        seq: undefined,
      };
      this.#answered = answered;
      this.#record(
        { event: "effect_performed", result: "success", answer_commitment: kept.ref, ...members },
        kept,
        ({ seq }) => (answered.seq = seq),
      );
      return value as T;
    } catch (error) {
      this.#recordFailure(members, error);
      throw error;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#wakeIdle();
    }
  }

  async #attempt<T>(
    use: EffectUse,
    n: number,
    members: JsonObject,
    body: (grant: EffectGrant) => Promise<T>,
  ): Promise<T> {
    this.#assertAlive();
    const powers = this.#admit(use, n);
    const { text, members: shares } = this.#requests.record(use.request);
    // Hashed while the other side works already, and at the latest for its record.
    const request = new LaterCommitment(text);
    this.#queue("effect_attempted", text.length > writtenAtOnce, (tx) => {
      assertOpen(tx, this.#step.requestId);
      tx.keep(request.blob);
      tx.emit({ event: "effect_attempted", request_commitment: request.blob.ref, ...shares, ...members });
    });
    return body(this.#grantOf(powers));
  }

  /**
   * Answers are given one at a time, and the action does all that it does with one before it gets the next: so the
   * order in which they are recorded is all that there is to know of a race between them, and a replay has the same
   * outcome (SEMANTICS R1).
   */
  #answersTurn(): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#lastTurn;
  }

  /** Resolves when nothing is in flight: `completed` waits for effects that the action did not wait for (H1). */
  async idle(): Promise<void> {
    // What it began and does not wait for may be on its way to its first use: whether that still counts is no race.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => (this.#wakeIdle = resolve));
      // Whoever waits for the one that just ended goes first: it may have another use to make.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The step is over: handles that its action kept are dead from here on. */
  end(): void {
    this.#ended = true;
  }

  /** Why an effect of this step is not in the log, once that is known: then its outcome is not known either. */
  get unrecorded(): AuditUnavailableError | undefined {
    return this.#unrecorded;
  }

  /** An action that outlived its step returned something: it is recorded as a refused effect and not taken. */
  refuseLateResult(): void {
    const { stop } = this.#step;
    const detail = "the action returned after its step had ended";
    this.#record({
      event: "effect_denied",
      effect: "result",
      n: ++this.#count,
      reason: stop?.code ?? "abandoned",
      detail,
      ...this.#common,
    });
  }

  #assertAlive(): void {
    // A step that has ended is open no more, and nobody gave it up.
    if (this.#ended) this.#step.checkAuthority(this.#ledger);
    else this.#step.checkNow(this.#ledger);
    const { stop } = this.#step;
    if (stop !== undefined) throw new EffectDeniedError(stop.code, stop.message);
    if (this.#ended)
      throw new EffectDeniedError("step_ended", "the step that this handle belonged to has ended");
  }

  #admit(use: EffectUse, n: number): readonly Power[] {
    if (n > this.#limits.effectsMax) {
      throw new EffectDeniedError(
        "too_many_effects",
        `a step may use its handles ${this.#limits.effectsMax} times`,
      );
    }
    return powersFor(this.#powers, use, this.#ledger.now());
  }

  #grantOf(powers: readonly Power[]): EffectGrant {
    const chains = powers.flatMap((power) => power.binding.chain);
    return {
      reached: (text) => {
        this.#assertAlive();
        const landed = parseCapability(text);
        if (powers.some((power) => reaches(power, landed))) return;
        throw new EffectDeniedError(
          "outside_authority",
          `it leads to \`${landed.text}\`, which this step may not reach`,
        );
      },
      withinBinding: (text) => {
        const wanted = parseCapability(text);
        return powers.some((power) => withinChain(power.binding, wanted));
      },
      agentHolds: (text) =>
        holds(this.agentId, parseCapability(text), this.#ledger.state, this.#ledger.now()),
      allowPrivate: commonBlocks(chains.map((link) => link.constraints.allow_private)),
      bytesMax: this.#limits.bytesMax,
    };
  }

  #recordFailure(members: JsonObject, error: unknown): void {
    if (error instanceof EffectDeniedError) {
      const detail = boundedText(error.message, 2_000);
      return this.#record({ event: "effect_denied", reason: error.code, detail, ...members });
    }
    const code = error instanceof SynapseError ? error.code : "failed";
    // What the action was told, so that a replay tells it the same.
    const kept = commitTo({ code, message: failureOf(error).message });
    this.#record(
      { event: "effect_performed", result: "failure", code, answer_commitment: kept.ref, ...members },
      kept,
    );
  }

  /** The last answer: many actions pass on what they were told. */
  get told(): Told | undefined {
    return this.#answered;
  }

  /** The last answer, if it is what the action gives out: it is kept once. */
  answerLike(canonical: string): Readonly<RecordedAnswer> | undefined {
    return this.#answered?.canonical === canonical ? this.#answered : undefined;
  }

  #record(members: EventBody, kept?: Blob, then?: (event: AuditEvent) => void): void {
    this.#queue(members.event, false, (tx) => {
      // The answer to a use whose intent is not in the log would be an answer to nothing.
      if (members.event === "effect_performed" && this.#unrecorded !== undefined) throw this.#unrecorded;
      if (kept !== undefined) tx.keep(kept);
      const event = tx.emit(members);
      then?.(event);
    });
  }

  /** @param atOnce it takes long to write, and something else goes on meanwhile. */
  #queue(event: string, atOnce: boolean, append: (tx: Tx) => void): void {
    // Queued in the agent's lane, so it is durable before, or together with, the step's completion. What most steps do
    // once needs no wait of its own, for more comes soon; a step that does more learns at once that it cannot go on.
    const isFollowed = !atOnce && (event === "effect_performed" || this.#count === 1);
    const entry = (tx: Tx): void => {
      try {
        append(tx);
      } catch (error) {
        // Known at once: the completion of this step may stand in the same transaction.
        this.#unrecorded ??= unrecordable(error);
        throw error;
      }
    };
    const recorded = isFollowed
      ? this.#ledger.follow(this.agentId, entry, "begun")
      : this.#ledger.submit(this.agentId, entry, "begun");
    recorded.catch((error: unknown) => {
      this.#unrecorded ??= unrecordable(error);
      // Fail closed: what cannot be recorded any more is not done any more.
      const message = `what the step does cannot be recorded: ${this.#unrecorded.message}`;
      this.#step.end({ code: "audit_unavailable", message });
    });
  }
}

function unrecordable(cause: unknown): AuditUnavailableError {
  if (cause instanceof AuditUnavailableError) return cause;
  return new AuditUnavailableError("an effect was not recorded", { cause });
}
