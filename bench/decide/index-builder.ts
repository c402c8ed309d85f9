/**
 * Builds one index in a process of its own: `node index-builder.js CONTENDER BINDINGS`. Prints as JSON how long that took
 * and what it left in memory.
 */
import { type AuditEvent, textMember } from "../../src/model/event.js";
import { type Grant, grantOf, bindingsPerAgent } from "./grants.js";
import { Simple } from "./simple.js";
import { asRead, eventsOf, Synapse } from "./synapse.js";

export interface Built {
  readonly ms: number;
  readonly bytes: number;
  /** Of `bytes`, what ids and capabilities themselves take. */
  readonly stringBytes: number;
}

const [contender, count = "0"] = process.argv.slice(2);
const agentsAtOnce = 50;
/** V8, 64 bits: a map, a hash and a length, then one byte a character, in words of eight bytes. */
const bytesOf = (text: string): number => Math.ceil((16 + text.length) / 8) * 8;

function usedBytes(): number {
  // Twice: what finalisers let go of is collected by the second.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function build(): Built {
  const synapse = new Synapse();
  const simple = new Simple();
  const agents = Number(count) / bindingsPerAgent;
  const before = usedBytes();
  let ms = 0;
  let stringBytes = 0;
  for (let from = 0; from < agents; from += agentsAtOnce) {
    // What is read from a store is made before the clock starts.
    const grants: Grant[] = [];
    const bindings: AuditEvent[] = [];
    const uses: AuditEvent[] = [];
    for (let a = from; a < Math.min(from + agentsAtOnce, agents); a++)
      for (let k = 0; k < bindingsPerAgent; k++) {
        const grant = grantOf(a, k);
        const [made, ...used] = eventsOf(grant, 0).map(asRead);
        if (made === undefined) throw new Error("no event");
        const capability = textMember(made, "capability");
        grants.push({ ...grant, capability, agent: textMember(made, "agent_id") });
        bindings.push(made);
        uses.push(...used);
        stringBytes += bytesOf(capability) + bytesOf(grant.id) + (k === 0 ? bytesOf(grant.agent) : 0);
      }
    const first = synapse.state.seq + 1;
    const [made, used] = [bindings, uses].map((events, later) =>
      events.map((event, n) => asRead({ ...event, seq: first + later * bindings.length + n })),
    ) as [AuditEvent[], AuditEvent[]];
    const start = performance.now();
    if (contender === "synapse") for (const event of made) synapse.state.fold(event);
    else for (const grant of grants) simple.add(grant);
    ms += performance.now() - start;
    // What was used up is no part of an index, but of what is kept in memory.
    if (contender === "synapse") for (const event of used) synapse.state.fold(event);
  }
  const bytes = usedBytes() - before;
  if (synapse.state.bindingsOf("nobody").length + simple.agents !== (contender === "simple" ? agents : 0))
    throw new Error("the index is not what it should be");
  return { ms, bytes, stringBytes };
}

process.stdout.write(JSON.stringify(build()));
