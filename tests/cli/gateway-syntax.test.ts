/** The group `gateway` has a default command: words behind `--` are a server's, whatever they are called. */
import { expect, test } from "vitest";
import { expectRefusal, folder, synapse } from "./invoke.js";

test.each(["wrap", "unwrap", "pins", "help", "serve"])(
  "a server that is started with `%s` is not taken for a command of ours",
  async (word) => {
    const outcome = await synapse(
      { cwd: folder() },
      "gateway",
      "--agent",
      "a",
      "--server",
      "s",
      "--",
      word,
      "x",
    );
    expectRefusal(outcome, 2, "usage");
    // The gateway itself was meant: it has a server, and nobody to talk to.
    expect(outcome.stderr).toContain("no standard input");
  },
);

test("the gateway's own options stand in the help of the group", async () => {
  const { stdout, code } = await synapse({ cwd: folder() }, "gateway", "--help");
  expect(code).toBe(0);
  for (const option of ["--config <file>", "--agent <id>", "--server <name>"])
    expect(stdout).toContain(option);
});

test("without an agent, or without servers, it says what is missing", async () => {
  expectRefusal(await synapse({ cwd: folder() }, "gateway", "--server", "s", "--", "x"), 2, "usage");
  expectRefusal(await synapse({ cwd: folder() }, "gateway", "--agent", "a"), 2, "usage");
});
