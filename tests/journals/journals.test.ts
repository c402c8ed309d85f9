/** Bundles written by earlier versions replay as they were, from the file alone. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { document, documents, folder, synapse } from "../cli/invoke.js";

const root = fileURLToPath(new URL(".", import.meta.url));
const bundles = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && /^v\d+$/.test(entry.name))
  .flatMap(({ name }) => readdirSync(join(root, name)).map((file) => join(root, name, file)))
  .filter((file) => file.endsWith(".synapse.gz"));

const bundleOf = (file: string) => gunzipSync(readFileSync(file)).toString("utf8");

/** Types of events that a journal of this version holds; the others need a process that was killed. */
const types = [
  "agent_suspended agent_unsuspended binding_created binding_revoked blob_erased capability_checked",
  "capability_created capability_denied capability_executed capability_revoked effect_attempted effect_denied",
  "effect_performed key_rotated policy_applied run_cancelled run_completed run_started",
  "step_execution_authorized step_execution_completed step_execution_denied step_execution_requested",
].flatMap((line) => line.split(" "));

describe.each(bundles.map((file) => [basename(file), file] as const))("%s", (_, file) => {
  const key = ["--key", readFileSync(file.replace(/\.synapse\.gz$/, ".vkey"), "utf8").trim()];

  test("is authentic and complete", async () => {
    const cwd = folder({ bundle: bundleOf(file) });
    const check = await synapse({ cwd }, "audit", "check-bundle", "bundle", ...key, "--json");
    expect(check.stderr).toBe("");
    expect(document(check)).toMatchObject({ ok: true, authenticated: true, complete: true });
  });

  test("replays identical, every step of it", async () => {
    const cwd = folder({ bundle: bundleOf(file) });
    const replay = await synapse({ cwd }, "replay", "--from-bundle", "bundle", ...key, "--json");
    expect(replay.stderr).toBe("");
    const steps = documents(replay);
    expect(steps.pop()).toMatchObject({ status: "identical" });
    for (const step of steps) {
      expect(step).toMatchObject({ decision: { status: "identical" } });
      if (step["allowed"] === true) expect(step).toMatchObject({ execution: { status: "identical" } });
    }
    expect(steps.length).toBeGreaterThan(0);
    expect(replay.code).toBe(0);
  });
});

test("v1 holds every type of event and every built-in handle, in little room", () => {
  const lines = bundles
    .filter((file) => file.startsWith(join(root, "v1")))
    .flatMap((file) => bundleOf(file).trimEnd().split("\n"))
    .map((line) => JSON.parse(line) as { readonly event?: Readonly<Record<string, unknown>> });
  const events = lines.flatMap(({ event }) => (event === undefined ? [] : [event]));
  const found = new Set(events.map(({ event }) => event));
  expect(types.filter((type) => !found.has(type))).toEqual([]);
  const effects = new Set(events.map(({ effect }) => effect));
  for (const effect of [
    "fs.read",
    "fs.write",
    "fs.list",
    "fs.delete",
    "http.request",
    "process.run",
    "memory.get",
    "memory.set",
  ])
    expect(effects).toContain(effect);
  const bytes = bundles.reduce((sum, file) => sum + statSync(file).size, 0);
  expect(bytes).toBeLessThan(200 * 1024);
});
