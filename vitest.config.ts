import { defineConfig } from "vitest/config";

/**
 * Tests that leave a process as they found it: one of its own for each file, with all modules anew, would take a quarter
 * of all time. The others change what all share, or look at what is there.
 */
const together = "audit,capability,cli,constraint,docs,gateway,model,policy,proof,replay,stores,workflow";

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: "together", include: [`tests/{${together}}/**/*.test.ts`], isolate: false },
      },
      {
        extends: true,
        test: {
          name: "apart",
          include: ["tests/**/*.test.ts"],
          exclude: [`tests/{${together}}/**`],
        },
      },
    ],
    globalSetup: ["tests/build-programs.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    // As many as there are processors, not one fewer: most files wait for other processes and for the disk.
    maxWorkers: "100%",
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: "coverage/tests.json" }]] : ["default"],
    coverage: {
      // A minute of every run, for a figure that few runs are made for; `npx vitest run --coverage` gives it anywhere.
      enabled: Boolean(process.env["CI"]),
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/cli/main.ts"],
      reporter: ["text-summary", "json-summary"],
      thresholds: {
        lines: 90,
        "src/core/**": { lines: 95, branches: 90 },
        "src/model/**": { lines: 95 },
      },
    },
  },
});
