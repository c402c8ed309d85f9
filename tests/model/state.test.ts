import { describe, expect, it } from "vitest";
import { changesOf } from "../../src/model/change.js";
import { type AuditEvent, coreEvents } from "../../src/model/event.js";
import type { JsonObject } from "../../src/model/json.js";
import { State } from "../../src/model/state.js";
import { World } from "./fixtures/world.js";

function event(members: { readonly event: string; readonly [key: string]: unknown }, seq = 1): AuditEvent {
  const made = {
    id: `evt-${seq}`,
    seq,
    timestamp: "2026-01-01T00:00:00.000Z",
    protocol_version: "1.0",
    ...members,
  };
  return made;
}

describe("what an event means (E1-E3)", () => {
  it("an event of an outsider means nothing, whatever members it has", () => {
    const forged = event({
      event: "x_binding_created",
      binding_id: "b",
      contract_id: "c",
      agent_id: "a",
      capability: "fs:*",
      charged: [{ id: "c" }],
      request_id: "r",
    });
    expect(changesOf(forged)).toEqual([]);
  });

  it("only these events of ours change authority; the rest are records", () => {
    const meaning = new Set<string>();
    const members = { contract_id: "c", binding_id: "b", agent_id: "a", request_id: "r", charged: [] };
    for (const name of coreEvents)
      if (changesOf(event({ event: name, ...members })).length > 0) meaning.add(name);
    expect([...meaning].sort()).toEqual([
      "agent_suspended",
      "agent_unsuspended",
      "binding_created",
      "binding_revoked",
      "capability_checked",
      "capability_created",
      "capability_executed",
      "capability_revoked",
      "step_execution_authorized",
      "step_execution_completed",
      "step_outcome_unknown",
    ]);
  });

  it("a check charges nothing and opens nothing; an authorisation does both, its completion closes it (E2)", () => {
    const world = new World();
    world.issue("fs:read");
    const binding = world.bind("a", "fs:read", { constraints: { max_uses: 1 } });
    world.tx.emit({ event: "capability_checked", agent_id: "a", binding_id: binding.id });
    expect([binding.uses, world.state.open.size]).toEqual([0, 0]);
    world.tx.emit({ event: "capability_checked", request_id: "r", charged: [{ id: binding.id }] });
    expect([binding.uses, [...world.state.open.keys()]]).toEqual([1, ["r"]]);
    world.tx.emit({ event: "capability_executed", request_id: "r" });
    expect([binding.uses, world.state.open.size]).toEqual([1, 0]);
  });

  it("an event of ours that lacks what it must have is an error, not a guess", () => {
    for (const name of [
      "capability_created",
      "binding_revoked",
      "agent_suspended",
      "step_execution_completed",
    ]) {
      expect(() => changesOf(event({ event: name }))).toThrow(TypeError);
    }
    const orphan = event({
      event: "binding_created",
      binding_id: "b",
      agent_id: "a",
      capability: "fs:read",
      contract_id: "none",
    });
    expect(() => new State().fold(orphan)).toThrow(TypeError);
  });

  it("a binding stands under a contract or under a binding, whichever its event names as which (A2)", () => {
    const { state, tx } = new World();
    const common = { agent_id: "a", capability: "fs:read", constraints: {} };
    tx.emit({ event: "capability_created", ...common, contract_id: "c", issued_to: "*", issued_by: "o" });
    tx.emit({ event: "binding_created", ...common, binding_id: "b", contract_id: "c" });
    for (const above of [{ contract_id: "b" }, { parent_id: "c" }, { parent_id: "none", contract_id: "c" }])
      expect(() => tx.emit({ event: "binding_created", ...common, binding_id: "x", ...above })).toThrow(
        "binds under something that does not exist",
      );
    tx.emit({ event: "binding_created", ...common, binding_id: "d", parent_id: "b" });
    expect(state.binding("d")?.chain.map(({ id }) => id)).toEqual(["d", "b", "c"]);
  });
});

describe("folding", () => {
  it("takes events in order and without gaps only", () => {
    const state = new State();
    expect(() => state.fold(event({ event: "x_a" }, 2))).toThrow(RangeError);
    state.fold(event({ event: "x_a" }, 1));
    expect(() => state.fold(event({ event: "x_a" }, 1))).toThrow(RangeError);
    expect(() => state.fold(event({ event: "x_a" }, 3))).toThrow(RangeError);
    expect(state.seq).toBe(1);
  });

  it("what is charged or revoked and does not exist changes nothing", () => {
    const state = new State();
    state.fold(event({ event: "binding_revoked", binding_id: "none" }));
    state.fold(
      event({ event: "step_execution_authorized", request_id: "r", charged: [{ id: "none", per_ms: 5 }] }, 2),
    );
    expect([...state.links()]).toEqual([]);
    expect(state.contract("none") ?? state.binding("none") ?? state.link("none")).toBeUndefined();
  });

  it("constraints are frozen through and through: whoever is shown a binding changes nothing of it", () => {
    const world = new World();
    world.issue("fs:read");
    const read = JSON.stringify({ params: { type: "object", required: ["n"] }, except: ["/etc/**"] });
    const body = { agent_id: "a", binding_id: "b", contract_id: [...world.state.links()][0]?.id ?? "" };
    const constraints = JSON.parse(read) as JsonObject;
    world.tx.emit({ event: "binding_created", capability: "fs:read", constraints, ...body });
    const held = world.state.binding("b")?.constraints as unknown as JsonObject;
    expect(JSON.stringify(held)).toBe(read);
    const params = held["params"] as JsonObject;
    for (const part of [held, params, params["required"], held["except"]])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it("of one id the newest is meant, contract or binding", () => {
    const { state, tx } = new World();
    const common = { agent_id: "a", capability: "fs:read", constraints: {} };
    const contract = { event: "capability_created", ...common, issued_to: "*", issued_by: "o" };
    tx.emit({ ...contract, contract_id: "one" });
    tx.emit({ event: "binding_created", ...common, binding_id: "one", contract_id: "one" });
    expect(state.link("one")).toBe(state.binding("one"));
    tx.emit({ ...contract, contract_id: "one" });
    expect(state.link("one")).toBe(state.contract("one"));
  });

  it("a contract is no binding, and a binding no contract", () => {
    const world = new World();
    const contract = world.issue("fs:read");
    const binding = world.bind("a", "fs:read");
    expect([world.state.binding(contract.id), world.state.contract(binding.id)]).toEqual([
      undefined,
      undefined,
    ]);
    expect([world.state.link(contract.id), world.state.link(binding.id)]).toEqual([contract, binding]);
    expect([world.state.bindingsOf("a"), world.state.bindingsOf("b")]).toEqual([[binding], []]);
  });
});

describe("a log that holds more than binding allows", () => {
  it("a binding wider than what is above it gains nothing: every link is asked (A4)", () => {
    const world = new World();
    const contract = world.issue("fs:read:/d/**", { delegable: true, scope: "/d/s/**" });
    const bind = (binding_id: string, capability: string, above: object, scope?: string) =>
      world.tx.emit({
        event: "binding_created",
        binding_id,
        agent_id: binding_id,
        capability,
        ...(scope === undefined ? {} : { scope }),
        ...above,
      });
    bind("under-contract", "fs:read", { contract_id: contract.id });
    bind("parent", "fs:read:/d/**", { contract_id: contract.id }, "/d/s/p/**");
    bind("child", "fs:*", { parent_id: "parent" }, "/**");
    const answers = (path: string) =>
      ["under-contract", "parent", "child"].map((agent) => world.answer(`fs:read:${path}`, { agent }));
    expect(answers("/d/s/p/x")).toEqual(["under-contract", "parent", "child"]);
    expect(answers("/d/s/x")).toEqual(["under-contract", "scope_exceeded", "scope_exceeded"]);
    expect(answers("/d/x")).toEqual(["scope_exceeded", "scope_exceeded", "scope_exceeded"]);
    expect(world.answer("fs:write:/d/s/p/x", { agent: "child" })).toBe("scope_exceeded");
  });
});
