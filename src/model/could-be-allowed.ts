import type { BindingRecord } from "./authority.js";
import { type Capability, covers, overlaps } from "./capability/index.js";
import { livenessRefusal } from "./chain.js";
import { avoidsExceptions } from "./constraint/index.js";
import type { State } from "./state.js";

/**
 * Whether some request of this agent that requires `asked`, or something that `asked` names, could be allowed now:
 * with some parameters, at some rate. For lists of what an agent may use; what it then does is decided by `decide`.
 *
 * Never false where `decide` could allow. True where a chain's links agree with `asked` each for itself.
 *
 * @param asked one resource, or a pattern of those that a request may come to.
 * @param now ms since the epoch.
 */
export function couldBeAllowed(agentId: string, asked: Capability, state: State, now: number): boolean {
  if (state.suspended.has(agentId)) return false;
  const at = Math.max(now, state.lastTime);
  // A pattern may be met by any of its bindings, wherever they stand in the index.
  const bindings =
    asked.wildcards === 0 ? state.bindingCandidates(agentId, asked) : state.bindingsOf(agentId);
  return bindings.some((binding) => isAlive(binding, at) && reaches(binding, asked));
}

function isAlive(binding: BindingRecord, now: number): boolean {
  if (livenessRefusal(binding, now) !== undefined) return false;
  return binding.chain.every(({ constraints, uses }) => uses < (constraints.max_uses ?? Infinity));
}

function reaches(binding: BindingRecord, asked: Capability): boolean {
  if (asked.wildcards > 0) return binding.gates.every((gate) => overlaps(gate, asked));
  return (
    binding.gates.every((gate) => covers(gate, asked)) &&
    binding.chain.every((link) => avoidsExceptions(link.excluded, asked))
  );
}
