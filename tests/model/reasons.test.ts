import { describe, expect, it } from "vitest";
import type { Constraints } from "../../src/model/constraint/index.js";
import { denialReasons } from "../../src/model/denial.js";
import { minuteMs, type Question, World } from "./fixtures/world.js";

const target = "fs:read:/d/x";

/** A contract and a binding of agent `a`, made ready for one reason, and asked. */
type Trouble = (
  world: World,
  binding: { readonly constraints: Constraints; readonly scope?: string },
) => Question;

const later = "2026-01-02T00:00:00Z";

/** What makes each reason the answer, as a change of one binding or of the question. In order of D2. */
const troubles: Record<
  string,
  { readonly constraints?: Constraints; readonly scope?: string; readonly after?: Trouble }
> = {
  capability_mismatch: { after: () => ({ ceiling: ["fs:read:/other/**"] }) },
  agent_suspended: { after: (world) => (world.suspend("a"), {}) },
  contract_expired: { after: (world) => ((world.at += 60 * minuteMs), {}) },
  contract_revoked: { after: (world) => (world.revoke(contractOf(world)), {}) },
  binding_not_yet_valid: { constraints: { not_before: later } },
  binding_expired: { after: (world) => ((world.at += 30 * minuteMs), {}) },
  binding_revoked: { after: (world) => (world.revoke(bindingOf(world)), {}) },
  scope_exceeded: { scope: "/d/other/**" },
  constraint_violated: { constraints: { except: ["/d/x"] } },
  rate_limited: { constraints: { rate: { limit: 1, per: "59m" } }, after: (world) => (spend(world), {}) },
  uses_exhausted: { constraints: { max_uses: 0 } },
  approval_required: { constraints: { approval: { within: "1h" } } },
  policy_error: { constraints: { when: "params.missing" } },
};

function contractOf(world: World) {
  const [first] = [...world.state.links()].filter((link) => link.kind === "contract");
  if (first === undefined) throw new Error("the world has no contract");
  return first;
}

function bindingOf(world: World) {
  const [first] = world.state.bindingsOf("a");
  if (first === undefined) throw new Error("the world has no binding");
  return first;
}

/** Charges the chain as a step does that was authorised a moment ago. */
function spend(world: World): void {
  const charged = [{ id: bindingOf(world).id, per_ms: 59 * minuteMs }];
  world.tx.emit({ event: "step_execution_authorized", request_id: world.tx.newId("req"), charged });
}

function answerWith(...reasons: readonly string[]): string {
  const world = new World();
  const chosen = reasons.map((reason) => troubles[reason] ?? {});
  world.issue("fs:read", { expiresAt: "1h" });
  const constraints = Object.assign({}, ...chosen.map((each) => each.constraints ?? {})) as Constraints;
  const scope = chosen.map((each) => each.scope).find((each) => each !== undefined);
  const expiresAt = reasons.includes("binding_expired") ? "30m" : undefined;
  world.bind("a", "fs:read:/d/**", { constraints, scope, expiresAt });
  const questions = chosen.map((each) => each.after?.(world, { constraints }) ?? {});
  return world.answer(target, Object.assign({}, ...questions) as Question);
}

const reasons = Object.keys(troubles);

describe("each reason is the answer where it alone applies (D2)", () => {
  it("nothing applies: allowed", () => {
    expect(answerWith()).toMatch(/^bind-/);
  });

  it.each(reasons)("%s", (reason) => {
    expect(answerWith(reason)).toBe(reason);
  });

  it("no_capability, no_binding_found", () => {
    const world = new World();
    expect(world.answer(target)).toBe("no_capability");
    world.issue("fs:read:/d/**");
    expect(world.answer(target)).toBe("no_binding_found");
    expect(world.answer("fs:read:/e")).toBe("no_capability");
  });

  it("without a binding, the contract that came furthest speaks", () => {
    const world = new World();
    world.issue("fs:read", { expiresAt: "1m" });
    world.at += minuteMs;
    expect(world.answer(target)).toBe("contract_expired");
    const revoked = world.issue("fs:read");
    world.revoke(revoked);
    expect(world.answer(target)).toBe("contract_revoked");
    world.issue("fs:read", { issuedTo: "b*" });
    expect(world.answer(target)).toBe("contract_revoked");
    world.issue("fs:read", { scope: "/elsewhere/**" });
    expect(world.answer(target)).toBe("contract_revoked");
    world.issue("fs:read");
    expect(world.answer(target)).toBe("no_binding_found");
  });
});

describe("where two reasons apply to one chain, the one that comes first in D2 is the answer", () => {
  const pairs = reasons.flatMap((first, at) =>
    reasons.slice(at + 1).map((second) => [first, second] as const),
  );
  it.each(pairs.filter(([first, second]) => !(first === "contract_expired" && second === "binding_expired")))(
    "%s before %s",
    (first, second) => {
      expect(denialReasons.indexOf(first as never)).toBeLessThan(denialReasons.indexOf(second as never));
      expect(answerWith(first, second)).toBe(first);
      expect(answerWith(second, first)).toBe(first);
    },
  );

  it("contract_expired before binding_expired", () => {
    const world = new World();
    world.issue("fs:read", { expiresAt: "1m" });
    world.bind("a", "fs:read", { expiresAt: "1m" });
    world.at += minuteMs;
    expect(world.answer(target)).toBe("contract_expired");
  });
});

describe("where several chains refuse, the one that came furthest speaks (D2, D3)", () => {
  it("a binding that lacks only an approval, beside one out of scope and a revoked one", () => {
    const world = new World();
    world.issue("fs:read");
    world.bind("a", "fs:read", { scope: "/elsewhere/**" });
    const asks = world.bind("a", "fs:read:/d/**", { constraints: { approval: { within: "1h" } } });
    world.revoke(world.bind("a", "fs:read:/**"));
    const decision = world.ask(target);
    expect(decision).toMatchObject({ allowed: false, reason: "approval_required" });
    if (!decision.allowed) expect(decision.nearest?.binding.id).toBe(asks.id);
  });

  it("the refusal names the link and the detail that decided it", () => {
    const world = new World();
    const contract = world.issue("fs:read", { constraints: { max_uses: 1 } });
    world.bind("a", "fs:read");
    expect(world.step(target).allowed).toBe(true);
    const decision = world.ask(target);
    expect(decision).toMatchObject({ reason: "uses_exhausted", nearest: { link: { id: contract.id } } });
  });

  it("of several requirements, the first that is refused gives reason and requirement (A5)", () => {
    const world = new World();
    world.issue("fs:read");
    world.issue("fs:write", { constraints: { max_uses: 0 } });
    world.bind("a", "fs:read");
    world.bind("a", "fs:write");
    const decision = world.ask([target, "fs:write:/d/x", "crm:update:k"]);
    expect(decision).toMatchObject({ reason: "uses_exhausted", requirement: { text: "fs:write:/d/x" } });
  });
});

describe("what a script's bindings say about parameters is left for its effects, and nothing else (K)", () => {
  const script = { paramsOnUse: true, params: { n: 7 } };
  const both = ["code:execute:a", "memory:write:k"];

  function world(first: Constraints, second: Constraints): World {
    const made = new World();
    made.issue("code:execute");
    made.issue("memory:write");
    made.bind("a", "code:execute:a", { constraints: first });
    made.bind("a", "memory:write:**", { constraints: second });
    return made;
  }

  it.each<[string, Constraints]>([
    ["params", { params: false }],
    ["when", { when: "params.n == 1" }],
    ["a condition that fails", { when: "params.missing == 1" }],
  ])("%s of a further requirement", (_what, constraints) => {
    expect(world({}, constraints).ask(both, script).allowed).toBe(true);
    expect(world({}, constraints).ask(both, { ...script, paramsOnUse: false }).allowed).toBe(false);
    expect(world(constraints, {}).ask(both, script).allowed).toBe(false);
  });

  it.each<[string, Constraints]>([
    ["uses_exhausted", { max_uses: 0, when: "true" }],
    ["binding_not_yet_valid", { not_before: "2999-01-01T00:00:00Z" }],
    ["constraint_violated", { except: ["k"], params: true }],
    ["approval_required", { approval: { within: "1m" } }],
  ])("%s is decided with the step", (reason, constraints) => {
    expect(world({}, constraints).answer(both, script)).toBe(reason);
  });
});
