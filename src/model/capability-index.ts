import {
  type Capability,
  depthOf,
  placeAt,
  placeOf,
  placeOfAction,
  prefixNumbers,
} from "./capability/index.js";

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
 * A grant stands at the place that the literal beginning of its resource gives. Law: if a grant covers a requirement,
 * its keys are a prefix of the requirement's keys, so the places of the requirement's prefixes hold every grant that
 * can cover it; the caller still asks `covers`. Places are numbers side by side: whether any of an agent's ten bindings
 * matters is found out without touching the bindings.
 */
export class CapabilityIndex<T extends Entry> {
  readonly #entries: T[] = [];
  /** Of each entry, in the same order. */
  readonly #places: number[] = [];
  /** Positions of entries by place and action, when there are many. */
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
    const key = placeOfAction(place, like);
    const positions = this.#positions === undefined ? this.#places.keys() : (this.#positions.get(key) ?? []);
    const kept: number[] = [];
    for (const position of positions) {
      if (this.#places[position] !== place || !drop(this.#entries[position] as T)) kept.push(position);
      else this.#places[position] = nowhere;
    }
    this.#positions?.set(key, kept);
  }

  /** Calls `visit` once with every entry that may cover `requirement`. */
  candidates(requirement: Capability, visit: (entry: T) => void): void {
    const prefixes = prefixNumbers(requirement);
    if (this.#positions !== undefined) {
      for (let depth = 0; depth < prefixes.length; depth++) {
        const place = placeAt(prefixes, depth);
        const [own, any] = [placeOfAction(place, requirement), placeOfAction(place)];
        this.#visitAt(this.#positions, own, visit);
        if (any !== own) this.#visitAt(this.#positions, any, visit);
      }
      return;
    }
    const places = this.#places;
    for (let position = 0; position < places.length; position++) {
      const place = places[position] as number;
      const depth = depthOf(place);
      if (depth < prefixes.length && place === placeAt(prefixes, depth)) {
        visit(this.#entries[position] as T);
      }
    }
  }

  #visitAt(positions: Map<number, number[]>, key: number, visit: (entry: T) => void): void {
    const found = positions.get(key);
    if (found === undefined) return;
    for (const position of found) visit(this.#entries[position] as T);
  }

  #file(positions: Map<number, number[]>, position: number): void {
    const place = this.#places[position] as number;
    if (place === nowhere) return;
    const key = placeOfAction(place, (this.#entries[position] as T).capability);
    const known = positions.get(key);
    if (known === undefined) positions.set(key, [position]);
    else known.push(position);
  }
}
