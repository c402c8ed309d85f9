/** What the example shows is what it says, with the one command that the documentation names. */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

test("the example runs to its end and says what happened", () => {
  const script = resolve(import.meta.dirname, "../../examples/gateway/run.mjs");
  const said = execFileSync(process.execPath, [script], { encoding: "utf8" });
  expect(said).toContain("server    the meeting is on Monday");
  expect(said).toMatch(/reads …\/data\/private\/salary\.txt\ngateway {3}Denied: .*\(no_capability\)/);
  expect(said).toMatch(/revokes .*\nagent {5}sees no tools\n.*\ngateway {3}Denied: .*\(binding_revoked\)/);
  expect(said).toContain("3 identical");
  expect(said).not.toContain("nobody's business");
});
