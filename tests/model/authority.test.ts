import { describe, expect, it } from "vitest";
import { InvalidConstraintError, NoAuthorityError, NotFoundError } from "../../src/model/errors.js";
import { ContractRecord } from "../../src/model/authority.js";
import { minuteMs, World } from "./fixtures/world.js";
import { refused } from "./fixtures/refused.js";

describe("binding under a contract (A2)", () => {
  it("nothing covers it: another agent's contract, another resource, a narrower scope, revoked, expired", () => {
    const world = new World();
    const bind = () => world.bind("a", "fs:read:/d/**");
    refused(bind, NoAuthorityError, "no_authority");
    world.issue("fs:read", { issuedTo: "b" });
    world.issue("fs:read:/d/x");
    world.issue("fs:read", { scope: "/d/x" });
    world.issue("fs:readall");
    world.revoke(world.issue("fs:read"));
    world.issue("fs:read", { expiresAt: "1m" });
    world.at += minuteMs;
    refused(bind, NoAuthorityError, "no_authority");
    world.issue("fs:read");
    expect(bind().chain.length).toBe(2);
  });

  it("a contract that was named is held to the same", () => {
    const world = new World();
    const other = world.issue("fs:read", { issuedTo: "b-*" });
    const gone = world.issue("fs:read");
    world.revoke(gone);
    const narrow = world.issue("fs:read:/d/**", { scope: "/d/x/**" });
    for (const contractId of [other.id, gone.id, narrow.id]) {
      refused(() => world.bind("a", "fs:read:/d/**", { contractId }), NoAuthorityError, "no_authority");
    }
    expect(world.bind("a", "fs:read:/d/**", { contractId: narrow.id, scope: "/d/x/1" }).id).toMatch(/^bind-/);
    expect(world.bind("b-1", "fs:read:/d/**", { contractId: other.id }).id).toMatch(/^bind-/);
    refused(() => world.bind("a", "fs:read", { contractId: "none" }), NotFoundError, "not_found");
    expect(() => world.bind("a", "fs:read", { contractId: other.id, parentId: "x" })).toThrow(TypeError);
  });

  it("the narrowest active contract is taken when none is named; of equals the oldest", () => {
    const world = new World();
    world.issue("fs:*");
    world.issue("fs:read");
    const narrow = world.issue("fs:read:/d/**");
    world.issue("fs:read:/d/**");
    world.issue("fs:read:/d/x/y");
    expect(world.bind("a", "fs:read:/d/x").chain[1]?.id).toBe(narrow.id);
  });
});

describe("delegation (A2)", () => {
  it("needs `delegable` on every link above, the contract's included", () => {
    const world = new World();
    world.issue("fs:read:/closed/**");
    world.issue("fs:read:/open/**", { delegable: true });
    const closed = world.bind("a", "fs:read:/closed/**", { delegable: true });
    refused(
      () => world.bind("b", "fs:read:/closed/**", { parentId: closed.id }),
      NoAuthorityError,
      "no_authority",
    );
    const open = world.bind("a", "fs:read:/open/**", { delegable: true });
    const last = world.bind("b", "fs:read:/open/**", { parentId: open.id });
    refused(
      () => world.bind("c", "fs:read:/open/**", { parentId: last.id }),
      NoAuthorityError,
      "no_authority",
    );
  });

  it("the child is covered by the capability and every scope above it", () => {
    const world = new World();
    world.issue("fs:*:/d/**", { delegable: true, scope: "/d/s/**" });
    const parent = world.bind("a", "fs:read:/d/**", { delegable: true, scope: "/d/s/**" });
    const child = world.bind("b", "fs:read:/d/s/x/**", { parentId: parent.id, delegable: true });
    const under = (capability: string, scope?: string) => () =>
      world.bind("c", capability, { parentId: child.id, scope });
    refused(under("fs:write:/d/s/x/1"), NoAuthorityError, "no_authority");
    refused(under("fs:*:/d/s/x/**"), NoAuthorityError, "no_authority");
    refused(under("fs:read:/d/s/**"), NoAuthorityError, "no_authority");
    refused(under("fs:read"), NoAuthorityError, "no_authority");
    refused(under("fs:read:/d/s/x/**", "/d/s/**"), NoAuthorityError, "no_authority");
    expect(under("fs:read:/d/s/x/1")().chain.map((link) => link.kind)).toEqual([
      "binding",
      "binding",
      "binding",
      "contract",
    ]);
  });

  it("a chain has at most 16 links", () => {
    const world = new World();
    world.issue("fs:read", { delegable: true });
    let last = world.bind("a", "fs:read", { delegable: true });
    while (last.chain.length < 16) last = world.bind("a", "fs:read", { parentId: last.id, delegable: true });
    refused(() => world.bind("a", "fs:read", { parentId: last.id }), NoAuthorityError, "no_authority");
    expect(world.answer("fs:read:/x")).toMatch(/^bind-/);
  });

  it("nothing is passed on by a parent that is revoked, expired, or under something that is", () => {
    const world = new World();
    const contract = world.issue("fs:read", { delegable: true });
    const revoked = world.bind("a", "fs:read", { delegable: true });
    const child = world.bind("a", "fs:read", { parentId: revoked.id, delegable: true });
    const expiring = world.bind("a", "fs:read", { delegable: true, expiresAt: "1m" });
    const waiting = world.bind("a", "fs:read", {
      delegable: true,
      constraints: { not_before: "2026-02-01T00:00:00Z" },
    });
    world.revoke(revoked);
    world.at += minuteMs;
    for (const { id } of [revoked, child, expiring]) {
      refused(() => world.bind("b", "fs:read", { parentId: id }), NoAuthorityError, "no_authority");
    }
    // What only begins later can be passed on: it begins later for the child too.
    world.bind("b", "fs:read", { parentId: waiting.id });
    expect(world.answer("fs:read:/x", { agent: "b" })).toBe("binding_not_yet_valid");
    world.revoke(contract);
    refused(() => world.bind("b", "fs:read", { parentId: waiting.id }), NoAuthorityError, "no_authority");
    refused(() => world.bind("b", "fs:read", { parentId: contract.id }), NotFoundError, "not_found");
  });

  it("constraints and scopes add up along the chain, whichever link they stand on", () => {
    const world = new World();
    world.issue("fs:read:/d/**", { delegable: true, constraints: { except: ["/d/secret/**"] } });
    const top = world.bind("a", "fs:read:/d/**", { delegable: true, constraints: { when: "params.n < 5" } });
    const middle = world.bind("b", "fs:read:/d/**", { parentId: top.id, delegable: true, scope: "/d/s/**" });
    world.bind("c", "fs:read:/d/s/**", { parentId: middle.id, constraints: { params: { required: ["m"] } } });
    const ask = (path: string, params: Record<string, number>) =>
      world.answer(`fs:read:${path}`, { agent: "c", params });
    expect(ask("/d/s/x", { n: 1, m: 1 })).toMatch(/^bind-/);
    expect(ask("/d/s/x", { n: 5, m: 1 })).toBe("constraint_violated");
    expect(ask("/d/s/x", { n: 1 })).toBe("constraint_violated");
    expect(ask("/d/s/**", { n: 1, m: 1 })).toMatch(/^bind-/);
    expect(world.answer("fs:read:/d/secret/x", { params: { n: 1 } })).toBe("constraint_violated");
    expect(world.answer("fs:read:/d/t", { agent: "b", params: { n: 1 } })).toBe("scope_exceeded");
  });
});

describe("revocation is terminal (A3)", () => {
  it.each(["contract", "top", "middle", "last"])("revoking the %s stops all below it, for ever", (which) => {
    const world = new World();
    const contract = world.issue("fs:read", { delegable: true });
    const top = world.bind("t", "fs:read", { delegable: true });
    const middle = world.bind("m", "fs:read", { parentId: top.id, delegable: true });
    const last = world.bind("l", "fs:read", { parentId: middle.id });
    const chain = { contract, top, middle, last };
    const revoked = chain[which as keyof typeof chain];
    expect(world.answer("fs:read:/x", { agent: "l" })).toBe(last.id);
    expect(world.revoke(revoked)).toBe(true);
    const order = ["contract", "top", "middle", "last"];
    for (const [at, agent] of [
      [1, "t"],
      [2, "m"],
      [3, "l"],
    ] as const) {
      const below = at >= order.indexOf(which);
      const reason = which === "contract" ? "contract_revoked" : "binding_revoked";
      expect(world.answer("fs:read:/x", { agent })).toBe(below ? reason : chain[order[at] as "top"].id);
    }
    const { revokedSeq } = revoked;
    expect(world.revoke(revoked)).toBe(false);
    expect(revoked.revokedSeq).toBe(revokedSeq);
    // Issued again, with the same words: a new object, which revives nothing.
    world.issue("fs:read", { delegable: true });
    expect(world.answer("fs:read:/x", { agent: "l" })).toMatch(/_revoked$/);
  });

  it("a second revocation in the log changes nothing of the first", () => {
    const world = new World();
    const contract = world.issue("fs:read");
    world.revoke(contract);
    const first = contract.revokedSeq;
    world.tx.emit({ event: "capability_revoked", contract_id: contract.id, revoked_by: "operator" });
    expect(contract.revokedSeq).toBe(first);
  });
});

describe("what may not be gained (A2, H6)", () => {
  it("a program needs its arguments described, or `unconfined`, somewhere in its chain", () => {
    const world = new World();
    world.issue("os:process:git");
    world.issue("os:process:make", { constraints: { params: { properties: { args: { maxItems: 1 } } } } });
    const git = (constraints: object) => () => world.bind("a", "os:process:git", { constraints });
    for (const constraints of [
      {},
      { params: true },
      { params: {} },
      { params: { properties: { args: true } } },
      { params: { properties: { program: { const: "git" } } } },
    ]) {
      const error = refused(git(constraints), InvalidConstraintError, "invalid_constraint");
      expect(error).toMatchObject({ constraint: "params" });
    }
    expect(git({ params: { properties: { args: { const: ["status"] } } } })().id).toMatch(/^bind-/);
    expect(git({ unconfined: true })().id).toMatch(/^bind-/);
    expect(world.bind("a", "os:process:make").id).toMatch(/^bind-/);
  });

  it("a delegate gains no private address that its parent does not allow", () => {
    const world = new World();
    world.issue("net:http", { delegable: true });
    const allow_private = ["10.0.0.0/8"];
    const plain = world.bind("a", "net:http:x.test", { delegable: true });
    const wide = world.bind("a", "net:http:y.test", { delegable: true, constraints: { allow_private } });
    const gain = () =>
      world.bind("b", "net:http:x.test", { parentId: plain.id, constraints: { allow_private } });
    expect(refused(gain, InvalidConstraintError, "invalid_constraint")).toMatchObject({
      constraint: "allow_private",
    });
    expect(
      world.bind("b", "net:http:y.test", { parentId: wide.id, constraints: { allow_private } }).id,
    ).toMatch(/^bind-/);
  });
});

describe("when a link has ended", () => {
  const instants = [
    "1970-01-01T00:00:00.000Z",
    "1970-01-13T10:15:41.823Z",
    "1970-01-13T10:15:41.824Z",
    "1969-12-31T23:59:59.999Z",
    "0000-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "+275760-09-13T00:00:00.000Z",
    "-271821-04-20T00:00:00.000Z",
    "2026-01-01T00:00:00.001Z",
  ];
  const contract = (expires_at: string | undefined) =>
    new ContractRecord({
      id: "evt-1",
      seq: 1,
      timestamp: "2026-01-01T00:00:00.000Z",
      protocol_version: "1.0",
      event: "capability_created",
      contract_id: "ctr-1",
      capability: "fs:read",
      issued_to: "*",
      ...(expires_at !== undefined && { expires_at }),
    });

  it.each(instants)("%s is kept to the millisecond, and is the first at which it has", (text) => {
    const link = contract(text);
    const at = Date.parse(text);
    expect(link.expiresAt).toBe(at);
    for (const now of [at - 1, at - 0.5, at, at + 1, 0, Infinity, -Infinity])
      expect([now, link.isPast(now)]).toEqual([now, !(now < at)]);
    expect(link.isPast(Number.NaN)).toBe(true);
  });

  it("one without an end never has, one whose end is no time always has", () => {
    for (const now of [0, Infinity, -Infinity, Number.NaN]) {
      expect(contract(undefined).isPast(now)).toBe(false);
      expect(contract("soon").isPast(now)).toBe(true);
    }
    expect([contract(undefined).expiresAt, contract("soon").expiresAt]).toEqual([undefined, Number.NaN]);
  });
});
