import { expect, test } from "vitest";
import * as surface from "../src/index.js";

/** Adding a name is a promise, taking one away breaks somebody: both are done here, on purpose. */
const names = [
  "ActionRegistry",
  "AuditMechanism",
  "AuditUnavailableError",
  "BindingManager",
  "CapabilityManager",
  "CapabilitySyntaxError",
  "DocumentError",
  "EffectDeniedError",
  "EffectFailedError",
  "InvalidConstraintError",
  "InvalidContextError",
  "InvalidDataError",
  "NoAuthorityError",
  "NotFoundError",
  "PermissionEnforcer",
  "RuntimeGuard",
  "SecureExecutionContext",
  "SecureWorkflowExecutor",
  "StoreError",
  "SynapseError",
  "builtinActions",
  "capability",
  "covers",
  "createPipeline",
  "decide",
  "defineAction",
  "formatCapability",
  "openStore",
  "parseCapability",
];

test("the package exports exactly these names", () => {
  expect(Object.keys(surface).sort()).toEqual(names);
});

test("what mints authority is not among them, under any name", () => {
  const sources = Object.values(surface).map((value: unknown) =>
    typeof value === "function" ? value.name : "",
  );
  for (const inner of [
    "Ledger",
    "Store",
    "SqliteDriver",
    "ledgerOf",
    "driverOf",
    "openAction",
    "State",
    "Effects",
  ]) {
    expect(sources).not.toContain(inner);
  }
});

test("the built-in actions are these, opaque and frozen", () => {
  const listed = Object.entries(surface.builtinActions).flatMap(([domain, actions]) =>
    Object.entries(actions).map(([key, action]) => `${domain}.${key} ${action.name}`),
  );
  expect(listed).toEqual([
    "fs.read fs.read",
    "fs.write fs.write",
    "fs.list fs.list",
    "fs.delete fs.delete",
    "http.request http.request",
    "process.run process.run",
    "memory.get memory.get",
    "memory.set memory.set",
    "mcp.call mcp.call",
    "mcp.read mcp.read",
    "mcp.prompt mcp.prompt",
    "mcp.request mcp.request",
    "mcp.sample mcp.sample",
    "mcp.elicit mcp.elicit",
    "mcp.roots mcp.roots",
  ]);
  for (const domain of Object.values(surface.builtinActions)) {
    expect(Object.isFrozen(domain)).toBe(true);
    for (const action of Object.values(domain)) {
      expect(Object.isFrozen(action)).toBe(true);
      expect(Object.keys(action)).toEqual(["name", "idempotent", "replayable"]);
    }
  }
});

test("every error of ours has a class, a code and a message in lower case", () => {
  const samples = [
    new surface.InvalidContextError("field", "message"),
    new surface.InvalidDataError("$", "message"),
    new surface.InvalidConstraintError("max_uses", "message"),
    new surface.NoAuthorityError("message"),
    new surface.NotFoundError("binding", "bind_1"),
    new surface.AuditUnavailableError("message"),
    new surface.EffectDeniedError("outside_authority", "message"),
  ];
  for (const error of samples) {
    expect(error).toBeInstanceOf(surface.SynapseError);
    expect(error.name).toBe(error.constructor.name);
    expect(error.code).toMatch(/^[a-z][a-z_]*$/);
    expect(error.message).toMatch(/^[a-z]/);
  }
});
