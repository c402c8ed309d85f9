import { type Capability, depthOf, placeOf, placesFor } from "./capability/index.js";

interface Entry {
  readonly capability: Capability;
}

/** Beyond this many entries places are looked up instead of compared one after the other. */
const scannedMax = 32;
/** The place of what was pruned: none. */
const nowhere = -1;

/**
 * Finds the few grants that could cover a requirement without looking at all of them (SEMANTICS D1).
 *
 * A grant stands at the place that the literal beginning of its resource and its action give. Law: if a grant covers a
 * requirement, its keys are a prefix of the requirement's keys, so the places of the requirement's prefixes hold every
 * grant that can cover it; the caller still asks `covers`. Places are numbers side by side: whether any of an agent's
 * ten bindings matters is found out without touching the bindings.
 */
export class CapabilityIndex<T extends Entry> {
  readonly #entries: T[] = [];
  /** Of each entry, in the same order. */
  readonly #places: number[] = [];
  /** Positions of entries by place, when there are many. */
  #positions: Map<number, number[]> | undefined;

  /** Everything that was ever added, in order; what was pruned is among it. */
  get all(): readonly T[] {
    return this.#entries;
  }

  add(entry: T): void {
    this.#places.push(placeOf(entry.capability));
    const position = this.#entries.push(entry) - 1;
    if (this.#positions !== undefined) this.#file(this.#positions, position);
    else if (position >= scannedMax) {
      this.#positions = new Map();
      for (let each = 0; each <= position; each++) this.#file(this.#positions, each);
    }
  }

  /** Takes entries of the same place that `drop` chooses out of what is found: the dead make room for the living. */
  prune(like: Capability, drop: (entry: T) => boolean): void {
    const place = placeOf(like);
    const positions = this.#positions?.get(place) ?? [...this.#places.keys()];
    const kept = positions.filter((position) => {
      if (this.#places[position] !== place) return false;
      if (!drop(this.#entries[position] as T)) return true;
      this.#places[position] = nowhere;
      return false;
    });
    this.#positions?.set(place, kept);
  }

  /** Calls `visit` once with every entry that may cover `requirement`. */
  candidates(requirement: Capability, visit: (entry: T) => void): void {
    const { own, any } = placesFor(requirement);
    if (this.#positions !== undefined) {
      for (let depth = 0; depth < own.length; depth++) {
        const [one, other] = [own[depth] as number, any[depth] as number];
        this.#visitAt(this.#positions, one, visit);
        if (other !== one) this.#visitAt(this.#positions, other, visit);
      }
      return;
    }
    const places = this.#places;
    for (let position = 0; position < places.length; position++) {
      const place = places[position] as number;
      const depth = depthOf(place);
      if (depth < own.length && (place === own[depth] || place === any[depth])) {
        visit(this.#entries[position] as T);
      }
    }
  }

  #visitAt(positions: Map<number, number[]>, place: number, visit: (entry: T) => void): void {
    const found = positions.get(place);
    if (found === undefined) return;
    for (const position of found) visit(this.#entries[position] as T);
  }

  #file(positions: Map<number, number[]>, position: number): void {
    const place = this.#places[position] as number;
    if (place === nowhere) return;
    const known = positions.get(place);
    if (known === undefined) positions.set(place, [position]);
    else known.push(position);
  }
}
