/**
 * Builds one index in a process of its own: `node index-builder.js CONTENDER BINDINGS`. Prints as JSON how long that took
 * and what it left in memory.
 */
import { textMember } from "../../src/model/event.js";
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
const agentsAtOnce = 1_000;
/** V8, 64 bits: a map, a hash and a length, then one byte a character, in words of eight bytes. */
const bytesOf = (text: string): number => Math.ceil((16 + text.length) / 8) * 8;

function usedBytes(): number {
  // Twice: what finalisers let go of is collected by the second.
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function build(): Built {
  const synapse = new Synapse();
  const simple = new Simple();
  const agents = Number(count) / bindingsPerAgent;
  const before = usedBytes();
  let ms = 0;
  let stringBytes = 0;
  let seq = synapse.state.seq;
  for (let from = 0; from < agents; from += agentsAtOnce) {
    // What is read from a store is made before the clock starts.
    const grants: Grant[] = [];
    const events = [];
    for (let a = from; a < Math.min(from + agentsAtOnce, agents); a++)
      for (let k = 0; k < bindingsPerAgent; k++) {
        const grant = { ...grantOf(a, k) };
        const made = eventsOf(grant, seq).map(asRead);
        seq += made.length;
        const [first] = made;
        if (first === undefined) throw new Error("no event");
        const capability = textMember(first, "capability");
        grants.push({ ...grant, capability, agent: textMember(first, "agent_id") });
        events.push(...made);
        stringBytes += bytesOf(capability) + bytesOf(grant.id) + (k === 0 ? bytesOf(grant.agent) : 0);
      }
    const start = performance.now();
    if (contender === "synapse") for (const event of events) synapse.state.fold(event);
    else for (const grant of grants) simple.add(grant);
    ms += performance.now() - start;
  }
  const bytes = usedBytes() - before;
  if (synapse.state.bindingsOf("nobody").length + simple.agents !== (contender === "simple" ? agents : 0))
    throw new Error("the index is not what it should be");
  return { ms, bytes, stringBytes };
}

process.stdout.write(JSON.stringify(build()));
