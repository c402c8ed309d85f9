import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { eventsFrom } from "../../src/cli/event-pages.js";
import { createPipeline } from "../../src/pipeline.js";
import { servers } from "./bench.js";
import { isToolError, type Message, textOf } from "./client.js";
import { type ListeningGateway, OperatorFolder } from "./gateway-process.js";
import { HttpClient } from "./http/http-client.js";

export interface SoakOptions {
  readonly sessions: number;
  /** Calls of each session at a time. */
  readonly inFlight: number;
  readonly seconds: number;
  /** The heap of the gateway's process, MiB: one that leaks runs out of it. */
  readonly heapMiB: number;
}

/** What became of all calls, as the clients saw it and as the log has it. */
export interface SoakReport {
  readonly calls: number;
  /** That got no answer. */
  readonly lost: number;
  /** That got another call's answer, or one that they should not have got. */
  readonly crossed: number;
  /** Refused by the guard, as they have to be. */
  readonly denied: number;
  /** In the log: steps asked for, denied, ended with an answer, and the runs that ended. */
  readonly recorded: { requested: number; denied: number; completed: number; runs: number };
  /** Calls of each session, and what its run in the log says, both sorted. */
  readonly perSession: { readonly asked: readonly number[]; readonly recorded: readonly number[] };
  /** Resident memory of the gateway's process, MiB, each second. */
  readonly residentMiB: readonly number[];
  readonly verified: boolean;
  readonly exitCode: number | null;
}

const audience = "http://gateway.test";
/** One call in so many is of a tool that its agent may not call. */
const deniedEvery = 8;

/** Many sessions with many calls in flight each, for some time, at a gateway that is a process of its own. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const folder = new OperatorFolder({ mcpServers: { h: servers.hostile() } });
  try {
    await folder.grant("crowd", "mcp:call:h/echo");
    const gateway = await folder.listenWith(
      { NODE_OPTIONS: `--max-old-space-size=${options.heapMiB}` },
      "--http",
      "127.0.0.1:0",
      "--audience",
      audience,
    );
    try {
      return await soaked(folder, gateway, options);
    } finally {
      gateway.child.kill("SIGKILL");
    }
  } finally {
    folder.remove();
  }
}

async function soaked(
  folder: OperatorFolder,
  gateway: ListeningGateway,
  { sessions, inFlight, seconds }: SoakOptions,
): Promise<SoakReport> {
  const token = await folder.token("crowd", audience);
  const clients = Array.from({ length: sessions }, () => new HttpClient(gateway.url, token, inFlight));
  await Promise.all(clients.map((client) => client.initialize()));
  const count = { lost: 0, crossed: 0, denied: 0 };
  const asked = clients.map(() => 0);
  const lane = async (client: HttpClient, session: number, nth: number, ends: number): Promise<void> => {
    for (let n = 0; n === 0 || performance.now() < ends; n++) {
      const text = `${session}/${nth}/${n}`;
      const isDenied = n % deniedEvery === 1;
      asked[session] = (asked[session] ?? 0) + 1;
      const answer = await client
        .call(isDenied ? "delete_all" : "echo", isDenied ? {} : { text })
        .catch(() => undefined);
      if (answer === undefined) count.lost++;
      else if (isDenied && isDenial(answer)) count.denied++;
      else if (isDenied || textOf(answer) !== text) count.crossed++;
    }
  };
  const until = (ends: number): Promise<unknown> =>
    Promise.all(
      clients.flatMap((client, session) =>
        Array.from({ length: inFlight }, (_, nth) => lane(client, session, nth, ends)),
      ),
    );
  // One call of each first: a busy Node server takes one new connection a turn, so all of them have to stand by then.
  await until(0);
  const ends = performance.now() + seconds * 1_000;
  const residentMiB: number[] = [];
  const measured = measure(gateway.child.pid ?? 0, residentMiB, ends);
  await until(ends);
  await measured;
  gateway.child.kill("SIGINT");
  const { code: exitCode } = await gateway.exit;
  const { recorded, perRun } = await inLog(folder);
  return {
    calls: asked.reduce((sum, each) => sum + each, 0),
    ...count,
    recorded,
    perSession: { asked: sorted(asked), recorded: sorted(perRun) },
    residentMiB,
    verified: (await folder.run("audit", "verify")).code === 0,
    exitCode,
  };
}

function isDenial(answer: Message): boolean {
  return isToolError(answer) && textOf(answer).includes("(no_capability)");
}

async function measure(pid: number, residentMiB: number[], ends: number): Promise<void> {
  while (performance.now() < ends) {
    const kibibytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    residentMiB.push(Math.round(Number(kibibytes) / 1_024));
    await pause(1_000);
  }
}

async function inLog(
  folder: OperatorFolder,
): Promise<{ recorded: SoakReport["recorded"]; perRun: number[] }> {
  const pipeline = await createPipeline({ database: join(folder.path, ".synapse/synapse.db") });
  const recorded = { requested: 0, denied: 0, completed: 0, runs: 0 };
  const perRun = new Map<unknown, number>();
  for await (const page of eventsFrom(pipeline.audit, {}, 0)) {
    for (const event of page) {
      if (event.event === "run_completed") recorded.runs++;
      if (event.event === "step_execution_denied") recorded.denied++;
      if (event.event === "step_execution_completed" && event["result"] === "success") recorded.completed++;
      if (event.event !== "step_execution_requested") continue;
      recorded.requested++;
      perRun.set(event["run_id"], (perRun.get(event["run_id"]) ?? 0) + 1);
    }
  }
  await pipeline.close();
  return { recorded, perRun: [...perRun.values()] };
}

function sorted(numbers: readonly number[]): readonly number[] {
  return [...numbers].sort((a, b) => a - b);
}
