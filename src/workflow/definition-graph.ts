/** The part of a step that order depends on. */
export interface GraphStep {
  readonly id: string;
  readonly needs: readonly string[];
}

export interface StepGraph {
  /** Each id after those it needs; in the given order where there is a choice. */
  readonly order: readonly string[];
  /** Direct and indirect needs of each step, in `order`. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
}

/**
 * Orders steps. Needs that name no step are ignored here.
 *
 * @returns the cycle instead when there is one: `a, b, a` when a needs b and b needs a. It is the first that
 *   a reader going through the steps comes upon.
 */
export function orderSteps(steps: readonly GraphStep[]): StepGraph | { readonly cycle: readonly string[] } {
  const byId = new Map(steps.map((step) => [step.id, step] as const));
  const done = new Set<string>();
  const order: string[] = [];
  for (const { id } of steps) {
    const cycle = visit(id, byId, done, order, []);
    if (cycle !== undefined) return { cycle };
  }
  const rank = new Map(order.map((id, index) => [id, index] as const));
  const dependencies = new Map<string, readonly string[]>();
  for (const id of order) {
    const all = new Set<string>();
    for (const need of byId.get(id)?.needs ?? []) {
      if (!byId.has(need)) continue;
      all.add(need);
      dependencies.get(need)?.forEach((further) => all.add(further));
    }
    dependencies.set(id, Object.freeze([...all].sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0))));
  }
  return { order: Object.freeze(order), dependencies };
}

/** Depth first; `trail` is the way from the step begun with. As deep as there are steps, which are capped. */
function visit(
  id: string,
  byId: ReadonlyMap<string, GraphStep>,
  done: Set<string>,
  order: string[],
  trail: readonly string[],
): readonly string[] | undefined {
  if (done.has(id)) return undefined;
  const start = trail.indexOf(id);
  if (start !== -1) return [...trail.slice(start), id];
  for (const need of byId.get(id)?.needs ?? []) {
    const cycle = byId.has(need) ? visit(need, byId, done, order, [...trail, id]) : undefined;
    if (cycle !== undefined) return cycle;
  }
  done.add(id);
  order.push(id);
  return undefined;
}
