import { defineConfig } from "vitest/config";

/** Faults of the machine, put in by tools that not every machine has: not part of `npm test`. */
export default defineConfig({
  test: {
    include: ["tests/faults/**/*.fault.ts"],
    globalSetup: ["tests/build-programs.ts", "tests/faults/fixtures/say-missing.ts"],
    testTimeout: 120_000,
    pool: "forks",
    // Some only wait and others only compute: two files at a time share the machine well.
    maxWorkers: 2,
  },
});
