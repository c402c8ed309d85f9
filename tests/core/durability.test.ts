import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AuditUnavailableError, builtinActions } from "../../src/index.js";
import { job, openWorld, stepEvents, type World } from "./world.js";

let world: World;
let runs: number;
beforeEach(async () => {
  world = await openWorld();
  await world.grant("agent", "job:run:a");
  runs = 0;
});
afterEach(() => world.close());

const execute = (run: () => unknown = () => ++runs) =>
  world.pipeline.executor.executeStep(world.context({ action: job(run) }));

/** Makes the database refuse one kind of event, through a connection of its own. Returns what ends it. */
function refuseEvents(name: string): () => void {
  const connection = new Database(world.database);
  connection.exec(
    `CREATE TRIGGER refuse BEFORE INSERT ON events WHEN json_extract(new.doc, '$.event') = '${name}'
     BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`,
  );
  return () => {
    connection.exec("DROP TRIGGER refuse");
    connection.close();
  };
}

describe("durable before what depends on it", () => {
  test("the decision before the action, seen by another connection", async () => {
    let seen: string[] = [];
    await execute(() => (seen = stepEvents(world.committed())));
    expect(seen).toEqual(["requested", "authorized"]);
  });

  test("the outcome before the result", async () => {
    let seen: string[] = [];
    await execute().then(() => (seen = stepEvents(world.committed())));
    expect(seen).toEqual(["requested", "authorized", "completed"]);
  });

  test("a denial before its result", async () => {
    await world.pipeline.capabilityManager.suspend("agent", { by: "operator" });
    let seen: string[] = [];
    await execute().then(() => (seen = stepEvents(world.committed())));
    expect(seen).toEqual(["requested", "denied"]);
  });

  test("a revocation before `unbind` returns", async () => {
    const [binding] = await world.pipeline.bindingManager.getBindings("agent");
    let seen: string[] = [];
    await world.pipeline.bindingManager
      .unbind(binding?.id ?? "")
      .then(() => (seen = world.committed().map(({ event }) => event)));
    expect(seen.at(-1)).toBe("binding_revoked");
  });
});

describe("no durable record, no action", () => {
  test.each(["step_execution_requested", "step_execution_authorized"])(
    "%s cannot be written",
    async (event) => {
      const mend = refuseEvents(event);
      expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
      expect(runs).toBe(0);
      // Neither half of the pair is there: they are one transaction.
      expect(stepEvents(world.committed())).toEqual([]);
      mend();
      expect(await execute()).toMatchObject({ status: "completed", output: 1 });
    },
  );

  test("a denial that cannot be written is a denial", async () => {
    await world.pipeline.capabilityManager.suspend("agent", { by: "operator" });
    const mend = refuseEvents("step_execution_denied");
    expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
    expect(stepEvents(world.committed())).toEqual([]);
    mend();
  });

  test("an outcome that cannot be written: unknown, and the output is not given out", async () => {
    const mend = refuseEvents("step_execution_completed");
    const result = await execute();
    expect(runs).toBe(1);
    expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
    expect(result).not.toHaveProperty("output");
    expect(stepEvents(world.committed())).toEqual(["requested", "authorized"]);
    mend();
  });

  test.each(["effect_attempted", "effect_performed", "effect_denied"])(
    "%s cannot be written: unknown",
    async (event) => {
      const path = join(world.folder, "a.txt");
      writeFileSync(path, "content");
      await world.grant("agent", `fs:read:${path}`);
      const mend = refuseEvents(event);
      const read = builtinActions.fs.read;
      const context =
        event === "effect_denied"
          ? world.context({ action: job((_params, { fs }) => fs.read(path).catch(() => "swallowed")) })
          : world.context({ action: read, requiredCapability: `fs:read:${path}`, actionParams: { path } });
      const result = await world.pipeline.executor.executeStep(context);
      expect(result).toMatchObject({ status: "unknown", error: { code: "audit_unavailable" } });
      expect(result).not.toHaveProperty("output");
      mend();
      expect(await execute()).toMatchObject({ status: "completed" });
    },
  );

  test("authority cannot be given or taken without a record either", async () => {
    const { capabilityManager, bindingManager, permissionEnforcer, audit } = world.pipeline;
    const [binding] = await bindingManager.getBindings("agent");
    const connection = new Database(world.database);
    connection.exec("CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END");
    const attempts = [
      () => capabilityManager.issue({ capability: "job:run:b", issuedBy: "operator" }),
      () => bindingManager.bind({ agentId: "agent", capability: "job:run:a", createdBy: "operator" }),
      () => bindingManager.unbind(binding?.id ?? ""),
      () => capabilityManager.suspend("agent", { by: "operator" }),
      () => permissionEnforcer.enforce({ agentId: "agent", capability: "job:run:a" }),
      () => audit.emitEvent("x_note"),
    ];
    for (const attempt of attempts) {
      const error: unknown = await attempt().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AuditUnavailableError);
      expect(error).toMatchObject({ code: "audit_unavailable" });
    }
    connection.exec("DROP TRIGGER refuse");
    connection.close();
    // What could not be recorded did not happen: the binding stands, and nothing was added.
    expect(await bindingManager.getBindings("agent")).toMatchObject([{ id: binding?.id }]);
    expect(await execute()).toMatchObject({ status: "completed" });
  });

  test("the folder of the database is gone", async () => {
    rmSync(join(world.database, ".."), { recursive: true });
    expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
    expect(runs).toBe(0);
  });

  test("the table of events is gone", async () => {
    const connection = new Database(world.database);
    connection.pragma("foreign_keys = OFF");
    connection.exec("ALTER TABLE events RENAME TO elsewhere");
    expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
    expect(runs).toBe(0);
    connection.exec("ALTER TABLE elsewhere RENAME TO events");
    connection.close();
  });

  test("the pipeline is closed", async () => {
    await world.pipeline.close();
    expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
    expect(runs).toBe(0);
  });
});

describe("a full disk", () => {
  /** A small file system of its own, or undefined where that takes rights that we do not have. */
  function smallDisk(): { readonly folder: string; readonly release: () => void } | undefined {
    const folder = mkdtempSync(join(tmpdir(), "synapse-full-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      rmSync(folder, { recursive: true });
      return undefined;
    }
    const release = () => {
      execFileSync("umount", ["--lazy", folder]);
      rmSync(folder, { recursive: true });
    };
    return { folder, release };
  }

  test("nothing runs, authority can still be taken away, and work goes on when there is space", async (context) => {
    const disk = smallDisk();
    if (disk === undefined) return context.skip("a tmpfs cannot be mounted here: that takes root");
    await world.close();
    // No checkpoint of its own in between: what is free is what the test says.
    const quiet = { checkpointMs: 3_600_000 };
    world = await openWorld({ ...quiet, database: join(disk.folder, "state", "log.db") });
    try {
      const granted = await world.grant("agent", "job:run:a");
      const other = await world.grant("agent", "job:run:b");
      expect(await execute()).toMatchObject({ status: "completed" });
      const filler = join(disk.folder, "filler");
      const fill = () => {
        for (;;) appendFileSync(filler, Buffer.alloc(4_096));
      };
      expect(fill).toThrow(expect.objectContaining({ code: "ENOSPC" }));
      runs = 0;
      expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
      // The reserve that ordinary steps leave free, for what must not be put off (D9).
      truncateSync(filler, 4 * 1024 * 1024 - 400 * 1024);
      expect(await execute()).toMatchObject({ status: "denied", reason: "audit_unavailable" });
      expect(await world.pipeline.bindingManager.unbind(other.bindingId)).toBe(true);
      expect(runs).toBe(0);
      rmSync(filler);
      expect(await execute()).toMatchObject({ status: "completed", bindingId: granted.bindingId });
    } finally {
      await world.pipeline.close();
      disk.release();
    }
  });
});
