/** Loss of power on a real file system: an image of the disk while it is in use holds what was synced, and no more. */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  durableLines,
  scratch,
  startProgram,
  synapseCommand,
  writeDocuments,
} from "./fixtures/fault-world.js";
import { seededRandom } from "./fixtures/random.js";
import { expectRecovery } from "./fixtures/recovery.js";
import { canMount } from "./fixtures/tools.js";

interface Image {
  readonly file: string;
  /** What the run had said when the image was made. */
  readonly stdout: string;
}

const randomImages = 12;

function mount(image: string, at: string): () => void {
  execFileSync("mount", ["-o", "loop", image, at]);
  let mounted = true;
  const release = () => {
    if (mounted) execFileSync("umount", [at]);
    mounted = false;
  };
  onTestFinished(release);
  return release;
}

/** Stopped, or at its end: every call that was under way is over (proc_pid_stat(5), field 3). */
function isStill(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return "TZX".includes(stat.charAt(stat.lastIndexOf(")") + 2));
}

describe.skipIf(!canMount)("power loss: only what was synced is there", () => {
  it(
    "an image after each acknowledgement, and others at random moments: each recovers",
    { timeout: 120_000 },
    async () => {
      const random = seededRandom("power loss");
      const folder = scratch();
      const [disk, after, source] = ["disk", "after", "disk.img"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      for (const each of [disk, after]) mkdirSync(each);
      execFileSync("dd", ["if=/dev/zero", `of=${source}`, "bs=1M", "count=8", "status=none"]);
      execFileSync("mkfs.ext4", ["-q", source]);
      const release = mount(source, disk);
      writeDocuments(disk);
      execFileSync("sync", ["-f", disk]);
      const images: Image[] = [];
      const command = synapseCommand([], "run", "w.yaml", "--policy", "p.yaml", "--json");
      let said = "";
      const { child, ended } = startProgram(disk, command, {
        onLines: (stdout) => {
          said = stdout;
          takeImage();
        },
      });
      const pid = child.pid ?? 0;
      /** Holds the process still: an image copied while it writes is of no one moment. */
      const takeImage = () => {
        if (child.exitCode !== null || !child.kill("SIGSTOP")) return;
        while (!isStill(pid));
        const file = join(folder, `crash-${images.length}.img`);
        copyFileSync(source, file);
        images.push({ file, stdout: said });
        child.kill("SIGCONT");
      };
      const timers = Array.from({ length: randomImages }, () => setTimeout(takeImage, 200 + random() * 900));
      const { code, stdout } = await ended;
      for (const timer of timers) clearTimeout(timer);
      expect(code).toBe(0);
      copyFileSync(source, join(folder, "crash-end.img"));
      images.push({ file: join(folder, "crash-end.img"), stdout });
      release();
      let held = 0;
      for (const { file, stdout: saidThen } of images) {
        const unmount = mount(file, after);
        // The run is gone on with in the folder it was started in.
        rmSync(disk, { recursive: true });
        cpSync(after, disk, { recursive: true });
        unmount();
        rmSync(file);
        const { atFault } = await expectRecovery(disk, { stdout: saidThen });
        if (durableLines(saidThen) !== "") held++;
        if (saidThen === stdout) expect(atFault.at(-1)?.event).toBe("run_completed");
      }
      process.stdout.write(`${images.length} images, ${held} of them after an acknowledgement\n`);
      expect(held).toBeGreaterThan(5);
    },
  );
});
