import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHandleFactory } from "../../src/actions/handles/index.js";
import { EffectDeniedError } from "../../src/model/errors.js";
import type { JsonValue } from "../../src/model/json.js";
import { refusal } from "./fixtures/http-refusal.js";
import { createTestGate } from "./test-gate.js";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "synapse-handles-")));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function handlesWith(grants: readonly string[]) {
  const stored = new Map<string, JsonValue>();
  const own = join(folder, "own");
  mkdirSync(own, { recursive: true });
  const gate = createTestGate({ grants });
  const factory = createHandleFactory({
    protectedFiles: { covers: ({ path }) => path.startsWith(own) },
    workingFolder: folder,
    memory: {
      get: (key) => Promise.resolve(stored.get(key)),
      set: (key, value) => Promise.resolve(void stored.set(key, value)),
    },
    fs: { fileBytesMax: 100 },
    http: { lookup: () => Promise.resolve([{ address: "10.0.0.1", family: 4 }]) },
    process: { outputBytesMax: 100 },
  });
  return { handles: factory(gate), gate, own };
}

test("one step's handles all ask its own gate, with the limits they were made with", async () => {
  const grants = [
    `fs:write:${folder}/**`,
    `fs:list:${folder}/**`,
    "net:http",
    "os:process:echo",
    "memory:write",
  ];
  const { handles, gate, own } = handlesWith(grants);
  await handles.fs.write(join(folder, "a"), "x");
  expect(await handles.process.run({ program: "echo", args: ["x"] })).toMatchObject({ stdout: "x\n" });
  await handles.memory.set("a", 1);
  await refusal(handles.http.request({ url: "https://a.test/" }), EffectDeniedError, "private_address");
  await refusal(handles.fs.write(join(own, "a"), "x"), EffectDeniedError, "protected_file");
  await refusal(handles.process.run({ program: "echo", cwd: own }), EffectDeniedError, "protected_file");
  expect(gate.effects.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual([
    "fs.write performed",
    "process.run performed",
    "memory.set performed",
    "http.request denied",
    "fs.write denied",
    "process.run denied",
  ]);
});

test("without authority every method exists and every use is refused", async () => {
  const { handles, gate } = handlesWith([]);
  const uses = [
    handles.fs.read(join(folder, "a")),
    handles.fs.write(join(folder, "a"), ""),
    handles.fs.list(folder),
    handles.fs.delete(join(folder, "a")),
    handles.http.request({ url: "https://a.test/" }),
    handles.process.run({ program: "true" }),
    handles.memory.get("a"),
    handles.memory.set("a", 1),
  ];
  for (const use of uses) await refusal(use, EffectDeniedError, "outside_authority");
  expect(gate.effects).toHaveLength(uses.length);
  for (const handle of [handles, handles.fs, handles.http, handles.process, handles.memory])
    expect(Object.isFrozen(handle)).toBe(true);
});
