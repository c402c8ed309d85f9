import { ANY_ACTION, type Capability, covers, ended, hashed, joined, routeOf } from "./capability/index.js";
import { Chains } from "./chains.js";
import { PlaceTable } from "./place-table.js";

interface Entry {
  readonly capability: Capability;
  /** Who has it. */
  readonly holder: string;
  /** Where it stands among the entries in time. */
  readonly createdSeq: number;
}

const none: readonly never[] = Object.freeze([]);
/** What there is anywhere at a depth: grants of named actions, grants of every action. */
const NAMED = 1;
const EVERY = 2;

/**
 * Finds the few grants that could cover a requirement without looking at all of them (SEMANTICS D1).
 *
 * A grant stands at the place that its holder, its action and the literal beginning of its resource give. Law: if a
 * grant covers a requirement, its keys are a prefix of the requirement's keys, so the places of the requirement's
 * prefixes hold every grant that can cover it; the caller still asks `covers`. A place is one number in one table for all
 * holders: a lookup is a few cache misses that do not wait for each other, however many bindings there are.
 */
export class CapabilityIndex<T extends Entry> {
  readonly #entries: readonly T[];
  readonly #places = new PlaceTable<T>();
  readonly #holders = new Chains();
  /** By depth `NAMED` and `EVERY`. */
  readonly #depths = new Uint8Array(256);

  /** @param entries a list that is appended to, of which this index knows the positions that it was told (`add`). */
  constructor(entries: readonly T[]) {
    this.#entries = entries;
  }

  add(position: number): void {
    const entry = this.#entries[position] as T;
    const { holder, capability } = entry;
    const number = holderNumber(holder);
    this.#holders.add(number, position);
    this.#places.add(placeOf(number, capability), entry);
    const { action, depth } = routeOf(capability);
    this.#depths[depth] = (this.#depths[depth] as number) | (action === ANY_ACTION ? EVERY : NAMED);
  }

  /** Everything that was ever added of a holder, in order; what was pruned is among it. */
  of(holder: string): readonly T[] {
    const found: T[] = [];
    const holders = this.#holders;
    for (let link = holders.first(holderNumber(holder)); link !== 0; link = holders.after(link)) {
      const entry = this.#entries[holders.position(link)] as T;
      if (entry.holder === holder) found.push(entry);
    }
    return found.reverse();
  }

  /** False when a holder has no entries at all. */
  mayHave(holder: string): boolean {
    return this.#holders.first(holderNumber(holder)) !== 0;
  }

  /** Some entry of a holder. */
  anyOf(holder: string): T | undefined {
    const holders = this.#holders;
    for (let link = holders.first(holderNumber(holder)); link !== 0; link = holders.after(link)) {
      const entry = this.#entries[holders.position(link)] as T;
      if (entry.holder === holder) return entry;
    }
    return undefined;
  }

  /** Takes entries of the same place that `drop` chooses out of what is found: the dead make room for the living. */
  prune({ holder, capability }: T, drop: (entry: T) => boolean): void {
    const place = placeOf(holderNumber(holder), capability);
    this.#places.remove(place, (entry) => entry.holder === holder && drop(entry));
  }

  /** Every entry of a holder that may cover `requirement`, in the order in which they were made. */
  candidates(holder: string, requirement: Capability): readonly T[] {
    return this.#found(holder, requirement, false);
  }

  /** Those of them whose capability covers it. */
  covering(holder: string, requirement: Capability): readonly T[] {
    return this.#found(holder, requirement, true);
  }

  #found(holder: string, requirement: Capability, mustCover: boolean): readonly T[] {
    const number = holderNumber(holder);
    const { prefixes, depth: last, action } = routeOf(requirement);
    const named = joined(number, action);
    const depths = this.#depths;
    const places = this.#places;
    let found: readonly T[] = none;
    for (let depth = 0; depth <= last; depth++) {
      const there = depths[depth] as number;
      if (there === 0) continue;
      const prefix = prefixes[depth] as number;
      if ((there & NAMED) !== 0 && action !== ANY_ACTION) {
        const slot = places.find(joined(named, prefix));
        if (slot >= 0) found = collected(places, slot, holder, requirement, mustCover, found);
      }
      if ((there & EVERY) !== 0) {
        const slot = places.find(placeAt(number, prefix, ANY_ACTION));
        if (slot >= 0) found = collected(places, slot, holder, requirement, mustCover, found);
      }
    }
    if (found.length <= 1) return found;
    return [...found].sort((one, other) => one.createdSeq - other.createdSeq);
  }
}

/** `before` and what a slot holds for a holder. */
function collected<T extends Entry>(
  places: PlaceTable<T>,
  slot: number,
  holder: string,
  requirement: Capability,
  mustCover: boolean,
  before: readonly T[],
): readonly T[] {
  if (places.hasList(slot)) {
    // By index, as in the decision: what a patched built-in shows must not make another holder's entry this one's.
    const list = places.list(slot);
    const found: T[] = [];
    for (let index = 0; index < before.length; index++) found[index] = before[index] as T;
    for (let index = 0; index < list.length; index++) {
      const entry = list[index] as T;
      if (entry.holder === holder && (!mustCover || covers(entry.capability, requirement)))
        found[found.length] = entry;
    }
    return found;
  }
  // Nearly always there is one, and what its capability says is compared while itself is waited for.
  if (mustCover && !places.covers(slot, requirement)) return before;
  const entry = places.entry(slot);
  if (entry.holder !== holder) return before;
  return before.length === 0 ? [entry] : [...before, entry];
}

let lastHolder = "";
let lastNumber = 0;

function holderNumber(holder: string): number {
  // One decision asks several times.
  if (holder !== lastHolder) {
    lastNumber = ended(hashed(0, holder, 0, holder.length));
    lastHolder = holder;
  }
  return lastNumber;
}

function placeOf(holder: number, capability: Capability): number {
  const { prefixes, depth, action } = routeOf(capability);
  return placeAt(holder, prefixes[depth] as number, action);
}

/** A number for all three. Others may have it too. */
function placeAt(holder: number, prefix: number, action: number): number {
  return joined(joined(holder, action), prefix);
}
