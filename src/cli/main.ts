#!/usr/bin/env node
import { packageVersion } from "./version.js";

if (process.argv.length === 3 && process.argv[2] === "--version") {
  process.stdout.write(`${packageVersion()}\n`);
} else {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    // The first one asks: steps are cancelled and the run is recorded. Whoever asks twice does not want to wait.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const { runCli } = await import("./run-cli.js");
  process.exitCode = await runCli(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    // Opened when it is first looked at: a command that reads nothing does not wait for it.
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    cwd: process.cwd(),
    signal: interrupt.signal,
  });
}
