import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CapabilityIndex } from "../../src/model/capability-index.js";
import { type Capability, covers, parseCapability } from "../../src/model/capability/index.js";
import type { State } from "../../src/model/state.js";
import { World } from "./fixtures/world.js";

function indexOf(grants: readonly Capability[], holder: string) {
  const entries = grants.map((capability, createdSeq) => ({ capability, holder, createdSeq }));
  const index = new CapabilityIndex(entries);
  for (const { createdSeq } of entries) index.add(createdSeq);
  return index;
}

function visits(state: State, agent: string, requirement: string): number {
  return state.bindingCandidates(agent, parseCapability(requirement)).length;
}

describe("the index finds what could cover a requirement (D1)", () => {
  const part = fc.constantFrom("a", "b", "c", "*", "**", "a*", "*b");
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
  const host = fc.constantFrom("x.test", "*.test", "**.test", "y.x.test", "**", "10.0.0.1");
  const capability = fc
    .oneof(
      fc.tuple(fc.constantFrom("fs:read", "fs:write", "fs:*"), path).map(([head, rest]) => `${head}:${rest}`),
      fc
        .tuple(fc.constantFrom("crm:update", "crm:*"), path)
        .map(([head, rest]) => `${head}:${rest.slice(1)}`),
      fc
        .tuple(host, fc.constantFrom("", "/a/**", "/a/b", "/*", "/"))
        .map(([name, rest]) => `net:http:${name}${rest}`),
      fc.constantFrom("os:process:git", "os:process:/usr/bin/git", "os:process:/usr/**", "os:process:**"),
      fc.constantFrom("fs:read", "fs:*", "net:http", "crm:update", "os:process"),
    )
    .filter(isCapability)
    .map((text) => parseCapability(text));

  it("every grant that covers a requirement is among its candidates, wherever it stands", () => {
    let covering = 0;
    fc.assert(
      fc.property(
        fc.array(capability, { maxLength: 20 }),
        fc.array(capability, { maxLength: 8 }),
        (grants, asks) => {
          const index = indexOf(grants, "a");
          for (const asked of asks) {
            const found = new Set(index.candidates("a", asked).map((entry) => entry.capability));
            for (const grant of grants) if (covers(grant, asked)) expect(found).toContain(grant);
            covering += [...found].filter((grant) => covers(grant, asked)).length;
          }
        },
      ),
      { numRuns: 3_000, seed: 7 },
    );
    expect(covering).toBeGreaterThan(2_000);
  });

  it("visits each entry once", () => {
    const texts = ["fs:*", "fs:read", "fs:read:/a", "fs:read:/a/b", "fs:read:/**"];
    const index = indexOf(
      texts.map((text) => parseCapability(text)),
      "a",
    );
    for (const text of ["fs:read:/a/b", "fs:*:/a/b"]) {
      const seen: unknown[] = [];
      seen.push(...index.candidates("a", parseCapability(text)));
      expect(new Set(seen).size).toBe(seen.length);
    }
  });
});

function isCapability(text: string): boolean {
  try {
    parseCapability(text);
    return true;
  } catch {
    return false;
  }
}

describe("the cost of a decision does not grow with what is granted (D1)", () => {
  it("10,000 bindings of one agent: a handful of candidates", () => {
    const world = new World();
    world.issue("fs:read");
    world.issue("net:http");
    for (let n = 0; n < 5_000; n++) {
      world.bind("a", `fs:read:/d/${n % 100}/${n}/**`);
      world.bind("a", `net:http:h${n}.test/v1/**`);
    }
    expect(visits(world.state, "a", "fs:read:/d/7/1207/x")).toBe(1);
    expect(visits(world.state, "a", "net:http:h4999.test/v1/x")).toBe(1);
    expect(visits(world.state, "a", "fs:read:/e")).toBe(0);
    expect(visits(world.state, "b", "fs:read:/d/7/1207/x")).toBe(0);
    expect(world.answer("fs:read:/d/7/1207/x")).toMatch(/^bind-/);
  });

  it("binding and unbinding one capability 5,000 times leaves two candidates at most", () => {
    const world = new World();
    world.issue("fs:read");
    const other = world.bind("a", "fs:read:/x/**", { scope: "/x/y" });
    for (let n = 0; n < 5_000; n++) world.revoke(world.bind("a", "fs:read:/x/*"));
    expect(visits(world.state, "a", "fs:read:/x/y")).toBe(2);
    expect(world.answer("fs:read:/x/z")).toBe("scope_exceeded");
    world.revoke(other);
    expect(world.answer("fs:read:/x/y")).toBe("binding_revoked");
  });

  it("however revocations and bindings interleave, no living binding leaves the index", () => {
    const world = new World();
    world.issue("fs:read");
    const bindings = Array.from({ length: 40 }, () => world.bind("a", "fs:read:/x"));
    for (let n = 0; n < bindings.length; n++) {
      const next = bindings[(n * 17) % bindings.length];
      if (next === undefined) throw new Error("the world lacks a binding");
      expect(world.answer("fs:read:/x")).toMatch(/^bind-/);
      expect(visits(world.state, "a", "fs:read:/x")).toBe(bindings.length - n + (n === 0 ? 0 : 1));
      world.revoke(next);
    }
    expect(world.answer("fs:read:/x")).toBe("binding_revoked");
    expect(visits(world.state, "a", "fs:read:/x")).toBe(1);
  });
});
