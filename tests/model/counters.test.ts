import { describe, expect, it } from "vitest";
import { minuteMs, World } from "./fixtures/world.js";

const target = "fs:read:/x";

describe("max_uses (K)", () => {
  it("is spent by authorisations, not by questions, and 0 allows none", () => {
    const world = new World();
    world.issue("fs:read");
    const binding = world.bind("a", "fs:read", { constraints: { max_uses: 2 } });
    world.bind("b", "fs:read", { constraints: { max_uses: 0 } });
    for (let n = 0; n < 5; n++) world.ask(target);
    expect(world.step(target).allowed && world.step(target).allowed).toBe(true);
    expect(world.answer(target)).toBe("uses_exhausted");
    expect(binding.uses).toBe(2);
    expect(world.answer(target, { agent: "b" })).toBe("uses_exhausted");
  });

  it("of a contract is shared by all that rests on it", () => {
    const world = new World();
    const contract = world.issue("fs:read", { delegable: true, constraints: { max_uses: 3 } });
    const first = world.bind("a", "fs:read", { delegable: true });
    world.bind("b", "fs:read");
    world.bind("c", "fs:read", { parentId: first.id });
    for (const agent of ["a", "b", "c"]) expect(world.step(target, { agent }).allowed).toBe(true);
    for (const agent of ["a", "b", "c"]) expect(world.answer(target, { agent })).toBe("uses_exhausted");
    expect(contract.uses).toBe(3);
  });

  it("every link of a chain is charged once, a link in two chains of one step too", () => {
    const world = new World();
    const contract = world.issue("fs:*", { delegable: true, constraints: { max_uses: 9 } });
    const parent = world.bind("p", "fs:*", { delegable: true, constraints: { max_uses: 9 } });
    const read = world.bind("a", "fs:read", { parentId: parent.id, constraints: { max_uses: 9 } });
    const write = world.bind("a", "fs:write", { parentId: parent.id, constraints: { max_uses: 9 } });
    expect(world.step([target, "fs:write:/y"]).allowed).toBe(true);
    expect([contract, parent, read, write].map((link) => link.uses)).toEqual([1, 1, 1, 1]);
    expect(world.step(target).allowed).toBe(true);
    expect([contract, parent, read, write].map((link) => link.uses)).toEqual([2, 2, 2, 1]);
  });
});

describe("rate (K)", () => {
  it("slides exactly: the window ends to the millisecond", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { constraints: { rate: { limit: 2, per: "1m" } } });
    const begin = world.at;
    const at = (ms: number) => ((world.at = begin + ms), world.step(target).allowed);
    expect([at(0), at(10_000), at(10_000), at(59_999)]).toEqual([true, true, false, false]);
    // The first has left the window, the second has not.
    expect([at(minuteMs), at(minuteMs), at(minuteMs + 9_999)]).toEqual([true, false, false]);
    expect([at(minuteMs + 10_000), at(minuteMs + 10_000)]).toEqual([true, false]);
  });

  it("never allows more than the limit in any window, whatever the times", () => {
    const world = new World();
    world.issue("fs:read");
    const binding = world.bind("a", "fs:read", { constraints: { rate: { limit: 3, per: "1m" } } });
    const granted: number[] = [];
    for (let n = 0; n < 400; n++) {
      world.at += (n * 7_919) % 23_000;
      if (world.step(target).allowed) granted.push(world.at);
    }
    for (const [n, at] of granted.entries())
      expect(at - (granted[n - 3] ?? -Infinity)).toBeGreaterThanOrEqual(minuteMs);
    expect(granted.length).toBeGreaterThan(100);
    // What has left the window is not kept.
    expect(binding.window?.times.length).toBeLessThanOrEqual(3);
  });

  it("a clock that jumps back opens no window: decisions never use a time before the log's (D8)", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { constraints: { rate: { limit: 1, per: "1m" } } });
    world.bind("b", "fs:read", { expiresAt: "5m" });
    world.at += 10 * minuteMs;
    expect(world.step(target).allowed).toBe(true);
    world.at -= 9 * minuteMs;
    expect(world.answer(target)).toBe("rate_limited");
    expect(world.answer(target, { agent: "b" })).toBe("binding_expired");
    expect(world.events.map((event) => event.timestamp)).toEqual(
      world.events.map((event) => event.timestamp).sort(),
    );
  });
});

describe("time (K not_before, A1 expiresAt)", () => {
  it("begins and ends to the millisecond", () => {
    const world = new World();
    world.issue("fs:read");
    const begin = world.at;
    const not_before = new Date(begin + 1_000).toISOString();
    world.bind("a", "fs:read", { expiresAt: "2s", constraints: { not_before } });
    const at = (ms: number) => ((world.at = begin + ms), world.answer(target));
    expect([at(999), at(1_000), at(1_999), at(2_000)]).toEqual([
      "binding_not_yet_valid",
      expect.stringMatching(/^bind-/),
      expect.stringMatching(/^bind-/),
      "binding_expired",
    ]);
  });

  it("a zone, lower case and fractions of a nanosecond are read as the same instant", () => {
    const world = new World();
    world.issue("fs:read");
    for (const [n, not_before] of [
      "2026-01-01T01:00:01+01:00",
      "2026-01-01t00:00:01z",
      "2026-01-01T00:00:01.000000999Z",
    ].entries()) {
      const binding = world.bind(`a${n}`, "fs:read", { constraints: { not_before } });
      expect(binding.notBefore).toBe(Date.parse("2026-01-01T00:00:01.000Z"));
    }
  });
});

describe("a replacement takes over what was used up (E5)", () => {
  it("uses and window, over several replacements", () => {
    const world = new World();
    world.issue("fs:read");
    const constraints = { max_uses: 3, rate: { limit: 2, per: "1m" } };
    let binding = world.bind("a", "fs:read", { constraints });
    for (let n = 0; n < 2; n++) {
      expect(world.step(target).allowed).toBe(true);
      const next = world.bind("a", "fs:read", { constraints, supersedes: binding.id });
      world.revoke(binding);
      binding = next;
    }
    expect(world.answer(target)).toBe("rate_limited");
    world.at += minuteMs;
    expect(world.step(target).allowed).toBe(true);
    world.at += minuteMs;
    expect(world.answer(target)).toBe("uses_exhausted");
  });

  it("a smaller limit counts what the larger one let through", () => {
    const world = new World();
    world.issue("fs:read");
    const old = world.bind("a", "fs:read", { constraints: { rate: { limit: 5, per: "1m" } } });
    for (let n = 0; n < 4; n++) world.step(target);
    world.bind("a", "fs:read", { constraints: { rate: { limit: 2, per: "1m" } }, supersedes: old.id });
    world.revoke(old);
    expect(world.answer(target)).toBe("rate_limited");
  });
});

describe("the preferred binding is charged (D3)", () => {
  it("fewest wildcards, a scope counting as the resource it stands for; then the oldest", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read");
    world.bind("a", "fs:read:/**");
    world.bind("a", "fs:read:/*");
    const scoped = world.bind("a", "fs:read:/**", { scope: "/x" });
    const exact = world.bind("a", "fs:read:/x");
    const order = [scoped, exact];
    for (const binding of order) {
      expect(world.answer(target)).toBe(binding.id);
      world.revoke(binding);
    }
    const rest = world.state.bindingsOf("a").filter((binding) => binding.revokedSeq === undefined);
    // `/**` and `/*` have one wildcard each, so the older of the two; no resource at all is the widest.
    for (const at of [1, 2, 0]) {
      const binding = rest[at];
      if (binding === undefined) throw new Error("the world lacks a binding");
      expect(world.answer(target)).toBe(binding.id);
      world.revoke(binding);
    }
  });

  it("one that refuses does not stand in the way of a wider one that allows", () => {
    const world = new World();
    world.issue("fs:read");
    const wide = world.bind("a", "fs:read");
    const narrow = world.bind("a", "fs:read:/x", { constraints: { max_uses: 1 } });
    expect([world.step(target), world.step(target)]).toMatchObject([
      { bindingId: narrow.id },
      { bindingId: wide.id },
    ]);
  });
});
