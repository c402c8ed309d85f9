import { expect, test } from "vitest";
import { masked, play } from "./transcript.js";

const plain = (text: string): string => masked(text.replace(/\bctr_[0-9a-f]{4,}[0-9a-f-]*…?/g, "ctr_…"));

// A dozen processes, one after the other.
test("docs/policy.md: its files and commands give what it says", { timeout: 120_000 }, () => {
  const played = play("docs/policy.md");
  expect(played.length).toBeGreaterThan(8);
  for (const { command, output, printed } of played) {
    expect(`$ ${command}\n${plain(printed)}`).toBe(`$ ${command}\n${plain(output)}`);
  }
});
