import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StoreTransaction } from "../../src/core/store.js";
import { grammarChecker } from "../../src/model/proof/grammar.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { job, openWorld, type World } from "../core/world.js";

// The real driver, its transactions wrapped here: the product has no hook for this.
const descriptor = Object.getOwnPropertyDescriptor(SqliteDriver.prototype, "begin");
const begin = descriptor?.value as (this: SqliteDriver) => StoreTransaction | undefined;

/** The disk fails once, when an event of this type is appended. */
function failOnceAt(type: string): void {
  let failed = false;
  SqliteDriver.prototype.begin = function (this: SqliteDriver) {
    const tx = begin.call(this);
    if (tx === undefined) return undefined;
    return {
      ...tx,
      append: (event, text, changes) => {
        if (!failed && event.event === type) {
          failed = true;
          throw new Error("disk I/O error");
        }
        tx.append(event, text, changes);
      },
    };
  };
}

describe("a use of a handle that could not be recorded", () => {
  let world: World;
  const action = job(async (_params, { memory }) => memory.set("k", 1), { requires: () => "memory:write:k" });
  const step = () =>
    world.pipeline.executor.executeStep(world.context({ action, requiredCapability: "memory:write:k" }));
  beforeEach(async () => {
    world = await openWorld();
    await world.grant("agent", "memory:write:k");
  });
  afterEach(async () => {
    SqliteDriver.prototype.begin = begin;
    await world.close();
  });

  it.each(["effect_attempted", "effect_performed", "step_execution_completed"])(
    "%s lost: the step's outcome is unknown, and what stands in the log makes sense",
    async (type) => {
      failOnceAt(type);
      expect(await step()).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
      const events = world.committed();
      const grammar = grammarChecker();
      for (const event of events) grammar.check(event);
      expect(events.map(({ event }) => event)).not.toContain("step_execution_completed");
      expect(events.filter(({ event }) => event === type)).toEqual([]);
      // The next one is whole again.
      expect(await step()).toMatchObject({ status: "completed" });
      for (const event of world.committed().slice(events.length)) grammar.check(event);
    },
  );
});
