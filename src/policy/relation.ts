/**
 * How a new authority relates to an old one. `incomparable`: neither could be shown to lie in the other, so it
 * has to be looked at like a wider one.
 */
export type Relation = "same" | "narrower" | "wider" | "incomparable";

/** What several aspects that all have to hold come to together. */
export function together(relations: readonly Relation[]): Relation {
  return relations.reduce<Relation>((all, each) => {
    if (each === "same" || all === each) return all;
    return all === "same" ? each : "incomparable";
  }, "same");
}

/** From whether the old one contains the new one, and the other way round. */
export function contained(newInOld: boolean, oldInNew: boolean): Relation {
  if (newInOld) return oldInNew ? "same" : "narrower";
  return oldInNew ? "wider" : "incomparable";
}

/** Of two bounds of which the smaller one is the narrower; without a bound it is infinite. */
export function smallerIsNarrower(old: number | undefined, wanted: number | undefined): Relation {
  const [before, after] = [old ?? Infinity, wanted ?? Infinity];
  return contained(after <= before, before <= after);
}
