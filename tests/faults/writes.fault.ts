import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectSoundLog } from "../crash/fixtures/log-promises.js";
import { durableLines, type Ended, fault, faultFolder, has, synapse, timesActed } from "./traced-run.js";

const canTrace = has("strace") && process.platform === "linux";
const canFakeTime = has("faketime");
if (!canTrace) process.stdout.write("strace is missing: faults of single calls are skipped\n");
if (!canFakeTime) process.stdout.write("faketime is missing: clock jumps are skipped\n");

const mounted = process.getuid?.() === 0 && has("mkfs.ext4") && has("losetup") && mayMount();
if (!mounted) process.stdout.write("loop mounts are not possible: the power-loss image is skipped\n");

const run = (folder: string, front: readonly string[]): Ended =>
  synapse(folder, front, "run", "w.yaml", "--json");

/** After a fault: the log is sound, and the run comes to its end with nothing done twice. */
function expectRecovery(folder: string, { stdout }: Ended): void {
  expectSoundLog(folder, durableLines(stdout));
  expect(timesActed(folder)).toBeLessThanOrEqual(1);
  const runs = synapse(folder, [], "runs", "--json").stdout.trim();
  if (runs !== "") {
    const view = JSON.parse(runs) as { run_id: string; status: string };
    if (view.status === "interrupted" || view.status === "unknown") {
      const first = synapse(folder, [], "resume", view.run_id, "--json");
      expect([0, 3]).toContain(first.code);
      if (first.code === 3) {
        expect(first.stderr).toContain("error[outcome_unknown]");
        const how = timesActed(folder) === 0 ? "--retry" : "--accept-as-failed";
        const second = synapse(folder, [], "resume", view.run_id, how, "act", "--json");
        expect(second.code).toBe(how === "--retry" ? 0 : 1);
      }
    }
  }
  expectSoundLog(folder, durableLines(stdout));
  expect(timesActed(folder)).toBeLessThanOrEqual(1);
}

describe.skipIf(!canTrace)("kill -9 at the calls that write, in turn, until the run ends by itself", () => {
  it.each([
    ["fsync,fdatasync", 1],
    ["pwrite64", 9],
  ] as const)("%s", (call, stride) => {
    let kills = 0;
    for (let k = 1; k < 400; k += stride) {
      const folder = faultFolder();
      const ended = run(folder, fault(folder, call, `signal=SIGKILL:when=${k}`));
      expectRecovery(folder, ended);
      if (ended.code !== null) {
        expect(ended.code).toBe(0);
        break;
      }
      kills++;
    }
    expect(kills).toBeGreaterThan(5);
  });
});

describe.skipIf(!canTrace)("calls that fail", () => {
  it.each([
    ["fsync fails once", "fsync,fdatasync", "error=EIO:when=4"],
    ["fsync fails for ever", "fsync,fdatasync", "error=EIO:when=4+"],
    ["the disk is full for two writes", "pwrite64", "error=ENOSPC:when=40..41"],
    ["the disk is full for ever", "pwrite64", "error=ENOSPC:when=40+"],
    ["a write says it wrote a part, and wrote nothing", "pwrite64", "retval=4:when=40"],
  ] as const)("%s: nothing that depended on it is given out", (_name, call, what) => {
    const folder = faultFolder();
    const ended = run(folder, fault(folder, call, what));
    expect(ended.code).not.toBeNull();
    expect(readFileSync(join(folder, "trace"), "utf8")).toContain("(INJECTED)");
    expectRecovery(folder, ended);
  });
});

describe("limits of the machine", () => {
  it("a file that may not grow further (a real short write, then EFBIG): recorded up to there, and it goes on", () => {
    const folder = faultFolder();
    const limited = run(folder, ["sh", "-c", 'trap "" XFSZ; ulimit -f 300; exec "$@"', "sh"]);
    expect(limited.code).not.toBe(0);
    expectRecovery(folder, limited);
  });

  it.skipIf(!mounted)("a disk that is full: nothing begins, and with room again it goes on", () => {
    const folder = faultFolder();
    const disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
    try {
      for (const name of ["p.yaml", "w.yaml"]) copyFileSync(join(folder, name), join(disk, name));
      synapse(disk, [], "policy", "apply", "p.yaml");
      const free = Number(execFileSync("stat", ["-f", "-c", "%a", disk], { encoding: "utf8" })) * 4_096;
      writeFileSync(join(disk, "ballast"), Buffer.alloc(free - 450 * 1_024));
      const full = run(disk, []);
      expect(full).toMatchObject({ code: 1 });
      expect(full.stderr).toContain("error[audit_unavailable]");
      expect(timesActed(disk)).toBe(0);
      rmSync(join(disk, "ballast"));
      expect(run(disk, [])).toMatchObject({ code: 0 });
      expect(timesActed(disk)).toBe(1);
      expectSoundLog(disk, durableLines(full.stdout));
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

describe("torn writes: the write-ahead log is cut at any length", () => {
  it("what is left is a whole log, of fewer transactions", () => {
    const folder = faultFolder();
    // The process ends without a checkpoint of its own, so that the write-ahead log is there to be cut.
    const copy = join(folder, "copy");
    mkdirSync(copy);
    const hold =
      "const D=require('better-sqlite3');const d=new D(process.argv[1]);d.prepare('select 1').get();";
    execFileSync(
      process.execPath,
      [
        "-e",
        `${hold}const c=require('node:child_process');c.spawnSync(process.argv[2],process.argv.slice(3),{stdio:'ignore'});const f=require('node:fs');f.copyFileSync('log.db','copy/log.db');f.copyFileSync('log.db-wal','copy/log.db-wal')`,
        join(folder, "log.db"),
        process.execPath,
        new URL("../../dist/cli/main.js", import.meta.url).pathname,
        "run",
        "w.yaml",
        "--db",
        "log.db",
      ],
      {
        cwd: folder,
        env: { ...process.env, NODE_PATH: new URL("../../node_modules", import.meta.url).pathname },
      },
    );
    const wal = readFileSync(join(copy, "log.db-wal"));
    const base = readFileSync(join(copy, "log.db"));
    expect(wal.length).toBeGreaterThan(4_096);
    const sizes = new Set<number>();
    for (let length = wal.length; length >= 0; length -= 1_371) {
      writeFileSync(join(copy, "log.db"), base);
      writeFileSync(join(copy, "log.db-wal"), wal);
      truncateSync(join(copy, "log.db-wal"), length);
      sizes.add(expectSoundLog(copy, "").length);
    }
    expect(sizes.size).toBeGreaterThan(5);
  });
});

describe.skipIf(!canFakeTime)("clock jumps", () => {
  it("an hour back, ten years on and back again: the log's time never goes back", () => {
    const folder = faultFolder();
    for (const jump of ["-1h", "+10y", "-1d"]) {
      const ended = run(folder, ["faketime", "-m", "--exclude-monotonic", "-f", jump]);
      expect(ended.code).toBe(0);
    }
    expectSoundLog(folder, "");
    expect(timesActed(folder)).toBe(3);
  });
});

describe.skipIf(!mounted)("power loss: only what was synced is there", () => {
  it("an image of the disk, taken while it is in use, holds all that was acknowledged", () => {
    const folder = faultFolder();
    const image = join(folder, "disk.img");
    const disk = join(folder, "disk");
    const after = join(folder, "after");
    execFileSync("sh", [
      "-c",
      `dd if=/dev/zero of=${image} bs=1M count=32 status=none && mkfs.ext4 -q ${image}`,
    ]);
    mkdirSync(disk);
    mkdirSync(after);
    execFileSync("mount", ["-o", "loop", image, disk]);
    let stdout = "";
    try {
      copyFileSync(join(folder, "p.yaml"), join(disk, "p.yaml"));
      copyFileSync(join(folder, "w.yaml"), join(disk, "w.yaml"));
      synapse(disk, [], "policy", "apply", "p.yaml");
      stdout = run(disk, []).stdout;
      execFileSync("cp", ["--sparse=never", image, join(folder, "crash.img")]);
    } finally {
      execFileSync("umount", [disk]);
    }
    execFileSync("mount", ["-o", "loop", join(folder, "crash.img"), after]);
    try {
      expect(existsSync(join(after, "log.db"))).toBe(true);
      expect(statSync(join(after, "log.db")).size).toBeGreaterThan(0);
      expect(durableLines(stdout)).not.toBe("");
      expectSoundLog(after, durableLines(stdout));
    } finally {
      execFileSync("umount", [after]);
    }
  });
});

function mayMount(): boolean {
  try {
    const probe = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
    execFileSync("sh", [
      "-c",
      `dd if=/dev/zero of=${probe}.img bs=1M count=4 status=none && mkfs.ext4 -q ${probe}.img`,
    ]);
    execFileSync("mount", ["-o", "loop", `${probe}.img`, probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  }
}
