import type { AuditMechanism } from "../../core/audit.js";
import type { EventFilter } from "../../core/store.js";
import type { AuditEvent } from "../../model/event.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { eventLine } from "../event-line.js";
import { eventsFrom, newestStart } from "../event-pages.js";
import { exitCode } from "../exit-code.js";
import { jsonLine } from "../printable.js";

interface ListOptions extends CommonOptions {
  readonly agent?: string;
  readonly event?: string;
  readonly run?: string;
  readonly limit?: number;
  readonly follow?: boolean;
}

const pollMs = 200;

/** `synapse audit list`: a page at a time, however long the log is. */
export const execute: Execute<ListOptions> = async (context, _operands, options) =>
  withPipeline(context, { create: false }, async ({ audit }) => {
    const filter: EventFilter = { agentId: options.agent, event: options.event, runId: options.run };
    let last = options.limit === undefined ? 0 : await newestStart(audit, filter, options.limit);
    // What is appended meanwhile must not make them more than were asked for.
    const most = options.follow === true ? Infinity : (options.limit ?? Infinity);
    last = await printAfter(context, audit, filter, last, most);
    while (options.follow === true && !isOver(context)) {
      await pause(context.signal);
      last = await printAfter(context, audit, filter, last);
    }
    return context.signal.aborted ? exitCode.interrupted : exitCode.done;
  });

/** Prints what comes after `seq`; gives the last event's. */
async function printAfter(
  context: CommandContext,
  audit: AuditMechanism,
  filter: EventFilter,
  seq: number,
  most = Infinity,
): Promise<number> {
  let last = seq;
  let left = most;
  for await (const found of eventsFrom(audit, filter, seq)) {
    const page = found.slice(0, left);
    left -= page.length;
    context.out.lines(page.map((event) => lineOf(context, event)));
    // A slow reader is waited for, and one that went away is noticed.
    await context.out.flush();
    last = page.at(-1)?.seq ?? last;
    if (left === 0 || isOver(context)) break;
  }
  return last;
}

function lineOf({ json, palette }: CommandContext, event: AuditEvent): string {
  return json ? jsonLine(event) : eventLine(event, palette);
}

function isOver({ out, signal }: CommandContext): boolean {
  return out.closed || signal.aborted;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, pollMs);
    signal.addEventListener("abort", done);
  });
}
