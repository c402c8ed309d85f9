/** What an agent fetches is larger than the machine: refused by a limit with a name, before the kernel kills anybody. */
import { mkdirSync, openSync, ftruncateSync, closeSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { documents } from "../cli/invoke.js";
import { durableLines, scratch, startProgram, synapse, synapseCommand } from "./fixtures/fault-world.js";
import { expectVerified } from "./fixtures/recovery.js";
import { memoryGroups } from "./fixtures/tools.js";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";

const server = fileURLToPath(new URL("fixtures/oversized.mjs", import.meta.url));

/** Enough for the pipeline and one answer of the largest size, and not for much more. */
const limitBytes = 320 * 2 ** 20;

/** A shell that puts itself in a group with a limit, then becomes the program. */
function inGroup(): readonly string[] {
  const { folder = "", limit = "" } = memoryGroups ?? {};
  const group = join(folder, `synapse-fault-${process.pid}`);
  mkdirSync(group);
  onTestFinished(() => rmdirSync(group));
  writeFileSync(join(group, limit), String(limitBytes));
  return ["sh", "-c", `echo $$ > ${group}/cgroup.procs; exec "$@"`, "sh"];
}

async function oversizedServer(folder: string): Promise<string> {
  let heard: (port: string) => void;
  const port = new Promise<string>((resolve) => (heard = resolve));
  const { child } = startProgram(folder, [process.execPath, server], {
    onLines: (text) => heard(text.trim()),
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return port;
}

describe.skipIf(memoryGroups === undefined)("a process with little memory", () => {
  it("the group does what it says: a program that takes more is killed", async () => {
    const greedy = "const all = []; for (;;) all.push(Buffer.alloc(2 ** 24, 1));";
    const { code } = await startProgram(scratch(), [...inGroup(), process.execPath, "-e", greedy]).ended;
    expect(code).toBeNull();
  });

  it("bodies and files that are larger than it are refused by name, are on record, and the process lives", async () => {
    const folder = scratch();
    const port = await oversizedServer(folder);
    const huge = openSync(join(folder, "huge"), "w");
    ftruncateSync(huge, 8 * 2 ** 30);
    closeSync(huge);
    const url = `127.0.0.1:${port}`;
    writeFileSync(
      join(folder, "p.yaml"),
      `version: 1
contracts:
  web: { capability: "net:http:http://${url}/**" }
  files: { capability: "fs:read:${folder}/**" }
  sh: { capability: "os:process:sh" }
  here: { capability: "fs:list:${folder}" }
agents:
  reader:
    - { capability: "net:http:http://${url}/**", constraints: { allow_private: ["127.0.0.0/8"] } }
    - "fs:read:${folder}/**"
    - { capability: "os:process:sh", constraints: { unconfined: true } }
    - "fs:list:${folder}"
`,
    );
    writeFileSync(
      join(folder, "w.yaml"),
      `name: oversized
steps:
  - { id: endless, agent: reader, action: http.request, on_error: continue, with: { url: "http://${url}/endless" } }
  - { id: announced, agent: reader, action: http.request, on_error: continue, needs: [endless], with: { url: "http://${url}/announced" } }
  - { id: file, agent: reader, action: fs.read, on_error: continue, needs: [announced], with: { path: huge } }
  - { id: program, agent: reader, action: process.run, on_error: continue, needs: [file], with: { program: sh, args: ["-c", "yes"] } }
`,
    );
    const command = synapseCommand(inGroup(), "run", "w.yaml", "--policy", "p.yaml", "--json");
    const ended = await startProgram(folder, command).ended;
    // Not killed: it ended, and says of each step why.
    expect(ended.code).not.toBeNull();
    expect(documents(ended).at(-1)).toMatchObject({
      steps: [
        { step_id: "endless", status: "failed", reason: "too_large" },
        { step_id: "announced", status: "failed", reason: "too_large" },
        { step_id: "file", status: "failed", reason: "too_large" },
        { step_id: "program", status: "failed", reason: "too_large" },
      ],
    });
    const events = expectSoundLog(folder, durableLines(ended.stdout));
    expect(events.filter(({ event }) => event === "effect_performed")).toMatchObject(
      ["http.request", "http.request", "fs.read", "process.run"].map((effect) => ({
        effect,
        code: "too_large",
      })),
    );
    await expectVerified(folder);
    expect((await synapse(folder, [], "runs")).code).toBe(0);
  });
});
