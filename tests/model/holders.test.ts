import { afterEach, describe, expect, it } from "vitest";
import { CapabilityIndex } from "../../src/model/capability-index.js";
import { parseCapability } from "../../src/model/capability/index.js";
import { holds } from "../../src/model/decide.js";
import { inOrder } from "../../src/model/in-order.js";
import { World } from "./fixtures/world.js";

/*
 * Bindings of all agents stand in one table, found by a number. Whoever chooses names can make two with one number, so
 * what is found is compared; and that comparison is all that keeps one agent from the authority of another.
 */

/** `Aa` and `BB` are one number to anything that adds up letters by 31. */
const twins = ["agent-Aa", "agent-BB"] as const;

function worldOf(capabilities: readonly string[]): World {
  const world = new World();
  world.issue("fs:read");
  for (const capability of capabilities) world.bind(twins[0], capability);
  return world;
}

describe("agents whose names have one number", () => {
  it.each([[["fs:read:/srv/**"]], [["fs:read:/srv/**", "fs:read:/srv/**"]]])(
    "bound to %j: one is, the other is not",
    (bound) => {
      const world = worldOf(bound);
      expect(world.ask("fs:read:/srv/a", { agent: twins[0] }).allowed).toBe(true);
      expect(world.ask("fs:read:/srv/a", { agent: twins[1] })).toMatchObject({
        allowed: false,
        reason: "no_binding_found",
      });
    },
  );
});

describe("each of the two comparisons by itself", () => {
  const asked = parseCapability("fs:read:/srv/a");

  it.each([1, 2])("the index gives %i entries to their holder and none to the other", (count) => {
    const entries = Array.from({ length: count }, (_, createdSeq) => ({
      capability: parseCapability("fs:read:/srv/**"),
      holder: twins[0],
      createdSeq,
    }));
    const index = new CapabilityIndex(entries);
    for (const { createdSeq } of entries) index.add(createdSeq);
    const found = twins.map((holder) => [
      index.candidates(holder, asked).length,
      index.covering(holder, asked).length,
      index.of(holder).length,
    ]);
    expect(found).toEqual([
      [count, count, count],
      [0, 0, 0],
    ]);
  });

  it("a decision takes no binding of another agent, should an index give it one", () => {
    const world = worldOf(["fs:read:/srv/**"]);
    const { state } = world;
    const others = () => state.bindingsOf(twins[0]);
    Object.defineProperty(state, "coveringBindings", { value: others });
    Object.defineProperty(state, "bindingCandidates", { value: others });
    expect(world.ask("fs:read:/srv/a", { agent: twins[0] }).allowed).toBe(true);
    expect(world.ask("fs:read:/srv/a", { agent: twins[1] }).allowed).toBe(false);
    expect(twins.map((agent) => holds(agent, asked, state, world.at))).toEqual([true, false]);
  });
});

const { filter } = Array.prototype;
afterEach(() => {
  Object.defineProperty(Array.prototype, "filter", { value: filter, writable: true, configurable: true });
  Reflect.deleteProperty(Object.prototype, "content");
});

describe("built-ins that were patched afterwards", () => {
  it("give nobody the bindings of another agent", () => {
    const world = worldOf(["fs:read:/srv/**", "fs:read:/srv/**"]);
    const all = function (this: unknown) {
      return this;
    };
    Object.defineProperty(Array.prototype, "filter", { value: all, writable: true, configurable: true });
    expect(world.ask("fs:read:/srv/a", { agent: twins[1] }).allowed).toBe(false);
  });

  it("take no part in what an action is told", () => {
    Object.defineProperty(Object.prototype, "content", { configurable: true, set: () => undefined });
    expect(Object.entries(inOrder({ size: 1, content: "kept" }) as object)).toEqual([
      ["content", "kept"],
      ["size", 1],
    ]);
  });
});
