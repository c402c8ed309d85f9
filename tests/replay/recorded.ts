import { onTestFinished } from "vitest";
import {
  type Action,
  type ActionDefinition,
  defineAction,
  type ExecutionResult,
  type PipelineOptions,
} from "../../src/index.js";
import type { Reexecution } from "../../src/replay/replay-step.js";
import type { StepReplay } from "../../src/replay/replay-log.js";
import { openWorld, type World } from "../core/world.js";
import { replayDatabase } from "./replay-database.js";

export type Run = ActionDefinition["run"];

/** All that the actions of these tests are allowed. */
export const powers = ["memory:read:**", "memory:write:notes/**"];

export interface RecordingWorld extends World {
  /** Does a step for real, with an action of this body that needs `powers` and may read in the folder. */
  record(stepId: string, run: Run, more?: Partial<ActionDefinition>): Promise<ExecutionResult>;
  /** Replays the step with the same action, or with one that has become another. */
  replay(stepId: string, run: Run, more?: Partial<ActionDefinition>): Promise<StepReplay>;
}

/** A world whose agent has been granted everything in `powers`. */
export async function openRecording(options: Partial<PipelineOptions> = {}): Promise<RecordingWorld> {
  const world = await openWorld(options);
  onTestFinished(() => world.close());
  const requires = [...powers, `fs:read:${world.folder}/**`];
  for (const capability of requires) await world.grant("agent", capability);
  const action = (run: Run, more: Partial<ActionDefinition> = {}): Action =>
    defineAction({ name: "job.run", replayable: true, requires: () => requires, ...more, run });
  return {
    ...world,
    record: (stepId, run, more) =>
      world.pipeline.executor.executeStep(
        world.context({ stepId, requiredCapability: "memory:read:**", action: action(run, more) }),
      ),
    async replay(stepId, run, more) {
      const [replay] = await replayDatabase(world.database, world.folder, [action(run, more)], {
        selects: (request) => request["step_id"] === stepId,
        patience: { stallMs: 300, deadlineMs: 600 },
      });
      if (replay === undefined) throw new Error(`no step ${stepId} was recorded`);
      return replay;
    },
  };
}

/** What is told of a divergence; fails the test when there is none. */
export function divergenceOf(replay: StepReplay): Extract<Reexecution, { status: "diverged" }>["divergence"] {
  if (replay.decision.status === "diverged") return replay.decision.divergence;
  if (replay.execution?.status === "diverged") return replay.execution.divergence;
  throw new Error(`nothing diverged: ${JSON.stringify(replay)}`);
}
