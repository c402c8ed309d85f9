import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { JsonObject } from "../../src/model/json.js";

/** The command, as it is installed. */
export const main = resolve(import.meta.dirname, "../../dist/cli/main.js");

export interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

export interface ListeningGateway {
  readonly child: ChildProcess;
  readonly url: string;
  readonly exit: Promise<Ended>;
}

/** A folder of an operator, with a database and a configuration, and the command run in it. */
export class OperatorFolder {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "gateway-process-")));

  /** @param config what is written into `mcp.json`. */
  constructor(config: JsonObject) {
    writeFileSync(join(this.path, "mcp.json"), JSON.stringify(config));
  }

  /** Runs the command to its end. */
  run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((done) =>
      execFile(process.execPath, [main, ...args], { cwd: this.path }, (error, stdout, stderr) =>
        done({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      ),
    );
  }

  /** Issues and binds a capability to an agent. */
  async grant(agentId: string, capability: string): Promise<void> {
    const authority = ["--capability", capability, "--by", "operator"];
    await this.#must("issue", ...authority);
    await this.#must("bind", "--agent", agentId, ...authority);
  }

  /** A token for `audience`. */
  async token(agentId: string, audience: string): Promise<string> {
    return this.#must("token", "issue", "--agent", agentId, "--expires", "1h", "--audience", audience);
  }

  /** Starts `synapse gateway --config mcp.json --json …` and waits until it listens. */
  listen(...args: string[]): Promise<ListeningGateway> {
    return this.listenWith({}, ...args);
  }

  /** @param env beside this process's own. */
  async listenWith(env: Record<string, string>, ...args: string[]): Promise<ListeningGateway> {
    const words = ["gateway", "--config", "mcp.json", "--json", ...args];
    const child = spawn(process.execPath, [main, ...words], {
      cwd: this.path,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
    const exit = new Promise<Ended>((done) => child.on("close", (code) => done({ code, stderr })));
    const line = await new Promise<string>((done, fail) => {
      child.stdout.once("data", (chunk: Buffer) => done(chunk.toString("utf8")));
      void exit.then((ended) => fail(new Error(ended.stderr)));
    });
    return { child, url: (JSON.parse(line) as { listening: string }).listening, exit };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  async #must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`synapse ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }
}
