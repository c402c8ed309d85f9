import { afterEach } from "vitest";
import type { StoreDriver } from "../../src/core/store.js";
import { appendingContract } from "./contract-appending.js";
import { recordsContract } from "./contract-records.js";
import { stateContract } from "./contract-state.js";

/** A place where a store's data is, and the ways to it. */
export interface Place {
  /** The driver that is open. */
  readonly driver: StoreDriver;
  /** Another driver on the same data, as a second process has it; undefined where there is no such thing. */
  readonly another: () => StoreDriver | undefined;
  /** Closes everything and removes the data. */
  readonly remove: () => void;
}

/** What every store promises the log, whatever it is made of (see `StoreDriver`). */
export function storeContract(name: string, make: () => Place): void {
  let place: Place | undefined;
  const open = (): Place => (place = make());
  afterEach(() => {
    place?.remove();
    place = undefined;
  });
  appendingContract(name, open);
  stateContract(name, open, make);
  recordsContract(name, open);
}
