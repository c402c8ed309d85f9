import type { EffectGate, EffectGrant, EffectUse } from "../../src/core/ports.js";
import { covers } from "../../src/model/capability/index.js";
import { EffectDeniedError, SynapseError } from "../../src/model/errors.js";
import type { JsonValue } from "../../src/model/json.js";

/** What the gate saw of one use, in the order in which the uses ended. */
export interface RecordedEffect {
  readonly kind: string;
  readonly outcome: "performed" | "failed" | "denied";
  /** Code of the error that ended it; `unnamed` for an error that is not one of ours. */
  readonly code?: string;
  readonly capabilities: readonly string[];
  readonly request: JsonValue;
  /** Every capability that the body reported as reached, refused ones included. */
  readonly reached: readonly string[];
}

export interface TestGateOptions {
  /** Capability texts that this step was authorised for; also the whole of its binding. */
  readonly grants: readonly string[];
  /** Further authority that the agent holds by other bindings: counts for `agentHolds` only. */
  readonly holds?: readonly string[];
  readonly allowPrivate?: readonly string[];
  /** Default 16 MiB. */
  readonly bytesMax?: number;
  readonly signal?: AbortSignal;
  readonly agentId?: string;
}

export interface TestGate extends EffectGate {
  readonly effects: readonly RecordedEffect[];
}

/**
 * A small gate that decides for real: it asks `covers` for what is asked and for what is reached,
 * refuses once the signal is aborted, and records every use. It has no log and no bindings, only grants.
 */
export function createTestGate(options: TestGateOptions): TestGate {
  const { grants, holds = [], allowPrivate = [], bytesMax = 16 * 1024 * 1024, agentId = "agent" } = options;
  const signal = options.signal ?? new AbortController().signal;
  const effects: RecordedEffect[] = [];
  const granted = (capability: string): boolean => grants.some((grant) => covers(grant, capability));
  const held = (capability: string): boolean => holds.some((grant) => covers(grant, capability));

  function check(capability: string): void {
    if (signal.aborted)
      throw new EffectDeniedError("revoked_while_running", "the authority of this step is gone");
    if (!granted(capability)) {
      throw new EffectDeniedError("outside_authority", `\`${capability}\` is outside what this step may use`);
    }
  }

  async function perform<T extends JsonValue | object>(
    use: EffectUse,
    body: (grant: EffectGrant) => Promise<T>,
  ): Promise<T> {
    const reached: string[] = [];
    const facts = {
      kind: use.kind,
      capabilities: [...use.capabilities],
      request: structuredClone(use.request),
      reached,
    };
    try {
      if (use.capabilities.length === 0) throw new TypeError("a use names at least one capability");
      for (const capability of use.capabilities) check(capability);
      const result = await body({
        reached(capability) {
          reached.push(capability);
          check(capability);
        },
        withinBinding: granted,
        agentHolds: (capability) => granted(capability) || held(capability),
        allowPrivate,
        bytesMax,
      });
      if (signal.aborted)
        throw new EffectDeniedError("revoked_while_running", "the authority of this step is gone");
      effects.push({ ...facts, outcome: "performed" });
      return result;
    } catch (error) {
      const code = error instanceof SynapseError ? error.code : "unnamed";
      effects.push({ ...facts, outcome: error instanceof EffectDeniedError ? "denied" : "failed", code });
      throw error;
    }
  }

  return { signal, agentId, traceId: "test", effects, perform };
}
