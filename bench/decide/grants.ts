import { shapes } from "./shapes.js";

/** At most one constraint stands on a binding here, of these kinds in turn. */
export type Limit =
  | { readonly kind: "not_before"; readonly at: number }
  | { readonly kind: "max_uses"; readonly max: number; readonly uses: number }
  | { readonly kind: "rate"; readonly limit: number; readonly times: readonly number[] }
  | { readonly kind: "except"; readonly pattern: string }
  /** `n` has to be an integer of at most this much. */
  | { readonly kind: "params"; readonly max: number }
  /** The same, as an expression. */
  | { readonly kind: "when"; readonly max: number };

/** A binding as everybody who is measured is told it. */
export interface Grant {
  readonly id: string;
  readonly agent: string;
  readonly capability: string;
  readonly expiresAt: number;
  readonly limit: Limit | undefined;
}

export const nowMs = Date.parse("2026-06-01T12:00:00.000Z");
const hourMs = 3_600_000;
export const bindingsPerAgent = shapes.length;
export const agentName = (a: number): string => `agent${a}`;

/** The binding of shape `k` of agent `a`. One in 23 has ended; two of an agent's ten have a constraint. */
export function grantOf(a: number, k: number): Grant {
  return {
    id: `bind-${a}-${k}`,
    agent: agentName(a),
    capability: shapes[k]?.grant(a) ?? "",
    expiresAt: (a + k) % 23 === 0 ? nowMs - hourMs : nowMs + hourMs * (1 + ((a * 7 + k) % 5_000)),
    limit: (k - a) % 5 === 0 ? limitOf(a, k) : undefined,
  };
}

/** One in four of those that depend on nothing but time and counters refuses. */
function limitOf(a: number, k: number): Limit {
  const refuses = Math.floor(a / 60) % 4 === 0;
  switch ((a + Math.floor(k / 5)) % 6) {
    case 0:
      return { kind: "not_before", at: refuses ? nowMs + hourMs : nowMs - hourMs };
    case 1:
      return { kind: "max_uses", max: 3, uses: refuses ? 3 : 2 };
    case 2:
      return { kind: "rate", limit: 2, times: refuses ? [nowMs - 2_000, nowMs - 1_000] : [nowMs - 1_000] };
    case 3:
      return { kind: "except", pattern: shapes[k]?.except(a) ?? "" };
    case 4:
      return { kind: "params", max: 1_000 };
    default:
      return { kind: "when", max: 1_000 };
  }
}
