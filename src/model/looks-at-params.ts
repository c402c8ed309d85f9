import { type Capability, covers } from "./capability/index.js";
import type { State } from "./state.js";

/**
 * Whether some binding that a decision on these requirements asks has a constraint that sees the parameters
 * (`params`, `when`). When none has, the decision is the same whatever they are.
 */
export function looksAtParams(agentId: string, requirements: readonly Capability[], state: State): boolean {
  return requirements.some((requirement) =>
    state
      .bindingCandidates(agentId, requirement)
      .some(
        (binding) =>
          covers(binding.capability, requirement) &&
          binding.chain.some(
            ({ constraints }) => constraints.params !== undefined || constraints.when !== undefined,
          ),
      ),
  );
}
