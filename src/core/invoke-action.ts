import { canonicalJson } from "../model/canonical.js";
import { copyJson } from "../model/copy-json.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { type Action, openAction } from "./action.js";
import { closeClass } from "./close-class.js";
import type { SecureExecutionContext } from "./context.js";
import { type Deterministic, deterministicSource, type Environment } from "./environment.js";
import type { EffectGate, HandleFactory } from "./ports.js";
import type { ExecutionFailure } from "./result.js";
import { failureOf, type Settled } from "./settle.js";

/** What an action came to, before it is known whether it may be given out. */
export type Outcome =
  /** `canonical`: the output's RFC 8785 form, of which its commitment and its digest are made. */
  { readonly output: JsonValue; readonly canonical: string } | { readonly failure: ExecutionFailure };

/** What a handle told an action: a frozen value, its RFC 8785 form, and how many bytes that has. */
export interface Told {
  readonly value: JsonValue;
  readonly canonical: string;
  readonly bytes: number;
}

/** An answer of a handle, as the action was told it and as it is recorded. */
export interface RecordedAnswer extends Told {
  readonly ref: string;
  /** Number of the event that commits to it; undefined until that is appended. */
  seq: number | undefined;
}

/** A gate that knows when nothing is in flight: an action may not wait for everything that it began. */
export interface SettlingGate extends EffectGate {
  idle(): Promise<void>;
}

/**
 * The one call of an action's function in the whole package. A plain call of a local name: no built-in that
 * could have been patched takes part, and `this` is undefined.
 *
 * All that it can do lies in `gate`: that of the guard, behind a durable authorisation, or that of a replay,
 * which reaches nothing.
 */
export async function invokeAction(
  action: Action,
  params: JsonObject,
  handles: HandleFactory,
  gate: SettlingGate,
  env: Environment,
): Promise<unknown> {
  const { run } = openAction(action);
  try {
    return await run(params, handles(gate), env);
  } finally {
    await gate.idle();
  }
}

/**
 * What an action may know besides its parameters: the same for a step and for its replay (SEMANTICS R1).
 *
 * @param stopping whose signal ends it; asked for when the action asks.
 */
export function environmentOf(
  context: SecureExecutionContext,
  stopping: { readonly signal: AbortSignal },
): Environment {
  const { workflowId, stepId } = context;
  const source = deterministicSource({
    seed: context.executionSeed,
    workflowId,
    stepId,
    startMs: Date.parse(context.createdAt),
  });
  return finished(new StepEnvironment(context, source, stopping));
}

class StepEnvironment implements Environment {
  readonly agentId: string;
  readonly workflowId: string;
  readonly stepId: string;
  readonly now: Environment["now"];
  readonly random: Environment["random"];
  readonly uuid: Environment["uuid"];
  readonly #stopping: { readonly signal: AbortSignal };

  constructor(
    { agentId, workflowId, stepId }: SecureExecutionContext,
    { now, random, uuid }: Deterministic,
    stopping: { readonly signal: AbortSignal },
  ) {
    this.agentId = agentId;
    this.workflowId = workflowId;
    this.stepId = stepId;
    this.now = now;
    this.random = random;
    this.uuid = uuid;
    this.#stopping = stopping;
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }
}

const finished = closeClass(StepEnvironment);

/**
 * @param outputBytesMax of the output's canonical form.
 * @param told what the action may have given out as it was told it: then its form need not be written out again.
 */
export function outcomeOf(settled: Settled, outputBytesMax: number, told?: Told): Outcome {
  if (settled.kind === "not_started")
    return { failure: { code: "not_started", message: "the action was not started" } };
  if (settled.kind === "abandoned")
    return { failure: { code: "abandoned", message: "the action did not end when it was told to" } };
  if (settled.kind === "error") return { failure: failureOf(settled.error) };
  try {
    // A function that returns nothing gives null; whatever else is not JSON is a failure (G4).
    const output = copyJson(settled.value ?? null);
    const passed = told !== undefined && settled.value === told.value ? told : undefined;
    const canonical = passed?.canonical ?? canonicalJson(output);
    const bytes = passed?.bytes ?? Buffer.byteLength(canonical);
    if (bytes <= outputBytesMax) return { output, canonical };
    return {
      failure: {
        code: "output_too_large",
        message: `the output has ${bytes} bytes, the limit is ${outputBytesMax}`,
      },
    };
  } catch (error) {
    return {
      failure: { code: "output_invalid", message: `the output is not JSON: ${failureOf(error).message}` },
    };
  }
}
