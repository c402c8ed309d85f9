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
const none: readonly never[] = Object.freeze([]);
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
  /** Of each entry its place and then itself: what is read together lies together. */
  readonly #slots: (number | T)[] = [];
  /** Positions of entries by place and action, when there are many. */
  #positions: Map<number, number[]> | undefined;

  /** Everything that was ever added, in order; what was pruned is among it. */
  get all(): readonly T[] {
    return this.#slots.filter((slot) => typeof slot !== "number");
  }

  get first(): T | undefined {
    return this.#slots[1] as T | undefined;
  }

  add(entry: T): void {
    const slots = this.#slots;
    slots.push(placeOf(entry.capability), entry);
    const position = slots.length - 2;
    if (this.#positions !== undefined) this.#file(this.#positions, position);
    else if (position >= 2 * scannedMax) {
      this.#positions = new Map();
      for (let each = 0; each <= position; each += 2) this.#file(this.#positions, each);
    }
  }

  /** Takes entries of the same place that `drop` chooses out of what is found: the dead make room for the living. */
  prune(like: Capability, drop: (entry: T) => boolean): void {
    const place = placeOf(like);
    const key = placeOfAction(place, like);
    const slots = this.#slots;
    const stays = (position: number): boolean => {
      if (slots[position] !== place || !drop(slots[position + 1] as T)) return true;
      slots[position] = nowhere;
      return false;
    };
    if (this.#positions !== undefined) {
      this.#positions.set(key, (this.#positions.get(key) ?? []).filter(stays));
    } else {
      for (let position = 0; position < slots.length; position += 2) stays(position);
    }
  }

  /** Every entry that may cover `requirement`, in no order. */
  candidates(requirement: Capability): readonly T[] {
    const prefixes = prefixNumbers(requirement);
    return this.#positions === undefined
      ? this.#compared(prefixes)
      : this.#lookedUp(this.#positions, prefixes, requirement);
  }

  #compared(prefixes: readonly number[]): readonly T[] {
    const slots = this.#slots;
    let found: T[] | undefined;
    for (let position = 0; position < slots.length; position += 2) {
      const place = slots[position] as number;
      const depth = depthOf(place);
      if (depth >= prefixes.length || place !== placeAt(prefixes, depth)) continue;
      const entry = slots[position + 1] as T;
      // Nearly always there is one.
      if (found === undefined) found = [entry];
      else found.push(entry);
    }
    return found ?? none;
  }

  #lookedUp(
    positions: Map<number, number[]>,
    prefixes: readonly number[],
    requirement: Capability,
  ): readonly T[] {
    const found = new Set<T>();
    for (let depth = 0; depth < prefixes.length; depth++) {
      const place = placeAt(prefixes, depth);
      for (const position of positions.get(placeOfAction(place, requirement)) ?? none)
        found.add(this.#slots[position + 1] as T);
      for (const position of positions.get(placeOfAction(place)) ?? none)
        found.add(this.#slots[position + 1] as T);
    }
    return [...found];
  }

  #file(positions: Map<number, number[]>, position: number): void {
    const place = this.#slots[position] as number;
    if (place === nowhere) return;
    const key = placeOfAction(place, (this.#slots[position + 1] as T).capability);
    const known = positions.get(key);
    if (known === undefined) positions.set(key, [position]);
    else known.push(position);
  }
}
