import { expect, test } from "vitest";
import { masked, play } from "./transcript.js";

test("docs/replay.md: its files and commands give what it says", () => {
  const played = play("docs/replay.md", {
    RUN: 'synapse runs --json --limit 1 | sed \'s/.*"run_id":"\\([^"]*\\)".*/\\1/\'',
    VKEY: "synapse audit key",
  });
  expect(played.length).toBeGreaterThan(6);
  for (const { command, output, printed } of played) {
    expect(`$ ${command}\n${masked(printed)}`).toBe(`$ ${command}\n${masked(output)}`);
  }
});
