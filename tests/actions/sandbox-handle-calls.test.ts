import { describe, expect, test } from "vitest";
import { handleMethods, useHandle } from "../../src/actions/sandbox/handle-calls.js";
import type { Handles } from "../../src/core/ports.js";
import { EffectDeniedError, EffectFailedError } from "../../src/model/errors.js";

/** Handles whose every method throws, or gives, what the test says. */
function handlesThat(answer: () => unknown): Handles {
  const method = async () => answer() as never;
  return {
    fs: { read: method, write: method, list: method, delete: method },
    http: { request: method },
    process: { run: method },
    memory: { get: method, set: method },
    mcp: { request: method },
  };
}

const use = async (answer: () => unknown, method = "memory.get", args = "[]", textMax = 1_000) => {
  const { ok, text } = await useHandle(handlesThat(answer), "/", method, args, textMax);
  return [ok, JSON.parse(text) as unknown];
};
const throwing = (error: unknown) => () => {
  throw error;
};
const unusable = [false, { name: "Error", code: "failed", message: "the handle could not be used" }];

describe("what a script is told of a use of a handle", () => {
  test("the answer, as plain data", async () => {
    expect(await use(() => ({ b: 1, a: [null] }))).toEqual([true, { a: [null], b: 1 }]);
  });

  test("our errors by name, code and message", async () => {
    expect(await use(throwing(new EffectFailedError("not_found", "no such file")))).toEqual([
      false,
      { name: "EffectFailedError", code: "not_found", message: "no such file" },
    ]);
  });

  test.each(["revoked_while_running", "audit_unavailable"])(
    "nothing of the policy or the log: %s",
    async (code) => {
      expect(await use(throwing(new EffectDeniedError(code, "binding `bind_1`: it was revoked")))).toEqual([
        false,
        { name: "EffectDeniedError", code, message: `this step was stopped (${code})` },
      ]);
    },
  );

  test.each<[string, () => unknown]>([
    ["an error that is not ours", throwing(new Error("/home/ada/secret"))],
    ["an error with a path and a code", throwing(Object.assign(new Error("/etc"), { code: "ENOENT" }))],
    ["a thrown function", throwing(() => process)],
  ])("nothing of the host: %s", async (_what, answer) => {
    expect(await use(answer)).toEqual(unusable);
  });

  test.each<[string, () => unknown]>([
    ["a function", () => () => process],
    ["a host object", () => new Map()],
    ["a getter", () => Object.defineProperty({}, "a", { get: () => process, enumerable: true })],
  ])("no answer that is not plain data: %s", async (_what, answer) => {
    expect(await use(answer)).toMatchObject([false, { code: "invalid_data" }]);
  });

  test("no answer that is too large", async () => {
    expect(await use(() => "x".repeat(1_000))).toMatchObject([false, { code: "too_large" }]);
    expect(await use(() => "x".repeat(998))).toEqual([true, "x".repeat(998)]);
  });
});

describe("a call is not believed to be one", () => {
  test.each<[string, string, string]>([
    ["an unknown method", "fs.chmod", "[]"],
    ["a method of every object", "fs.constructor", "[]"],
    ["no method", "__proto__", "[]"],
    ["arguments that are no JSON", "fs.read", "["],
    ["arguments that are no array", "fs.read", '{"0":"/a"}'],
  ])("%s", async (_what, method, args) => {
    expect(await use(() => "reached", method, args)).toEqual(unusable);
  });

  test("`__proto__` in its arguments is refused", async () => {
    expect(await use(() => "reached", "fs.read", '[{"__proto__":1}]')).toMatchObject([
      false,
      { code: "invalid_data" },
    ]);
  });

  test("the methods are those of the built-in actions", () => {
    expect(handleMethods).toEqual([
      "fs.read",
      "fs.write",
      "fs.list",
      "fs.delete",
      "http.request",
      "process.run",
      "memory.get",
      "memory.set",
    ]);
  });
});
