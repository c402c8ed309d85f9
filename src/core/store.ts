import type { Change } from "../model/change.js";
import type { AuditEvent } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import type { State } from "../model/state.js";
import type { Lease } from "./lease.js";

/** Which events to read; all conditions hold together. */
export interface EventFilter {
  readonly event?: string | undefined;
  readonly agentId?: string | undefined;
  readonly runId?: string | undefined;
  /** Only events with a higher `seq`. */
  readonly after?: number | undefined;
  /** At most so many, the first ones. */
  readonly limit?: number | undefined;
  /** With `limit`: the last ones instead, still in log order. */
  readonly newest?: boolean | undefined;
}

/** Bytes that stand in the log as a commitment (SEMANTICS R3); erasing them breaks no proof. */
export interface Blob {
  /** SHA-256(salt ‖ bytes), hex. */
  readonly ref: string;
  readonly salt: Uint8Array;
  /** RFC 8785 text, UTF-8. */
  readonly bytes: Uint8Array;
}

/** Where the bytes behind a commitment are kept: with the event that made it, so that a log is read in one sweep. */
export interface BlobKey {
  /** Number of that event. */
  readonly seq: number;
  readonly ref: string;
}

/** A signed checkpoint (C2SP signed note) of the log's first `size` events. */
export interface StoredCheckpoint {
  readonly size: number;
  readonly note: string;
}

/** A run as the store lists it. */
export interface RunView {
  readonly run_id: string;
  readonly workflow: string;
  readonly status: string;
  readonly started_at: string;
  readonly ended_at: string | null;
}

/** A run as the store keeps it. */
export interface StoredRun extends RunView {
  /** `running` also stands for a run whose process is gone: its writer's lease says which. */
  readonly status: string;
  /** Who started or resumed it last; null in logs that do not say. */
  readonly writer: string | null;
}

/**
 * What a store does for the log. One contract for every store; the shared suite in
 * `tests/stores/contract.ts` holds them to it.
 *
 * Ordering: events have consecutive `seq` from 1. Durability: after `commit` returned, the events survive
 * loss of power. Atomicity: events, projections, blobs and memory of one transaction are there together or
 * not at all. A method that fails throws what the database said; the caller decides what it means.
 */
export interface StoreDriver {
  /** A path, or `:memory:`. */
  readonly location: string;
  /** Brings `state`, which is new, to the last committed event. */
  load(state: State): void;
  /**
   * Takes the exclusive right to append, at once or not at all: undefined when another process has it.
   * Throws when the file was deleted or replaced since it was opened.
   */
  begin(): StoreTransaction | undefined;
  /** Committed events with a higher `seq`, in order. */
  eventsAfter(seq: number): AuditEvent[];
  readEvents(filter: EventFilter): AuditEvent[];
  runs(limit: number): StoredRun[];
  run(runId: string): StoredRun | undefined;
  /** Of every writer that has written and not been closed; within a transaction, as that sees them. */
  leases(): Lease[];
  /** Files of the policies that were applied, so that agents cannot edit what will be applied again (H2). */
  policyFiles(): readonly string[];
  blob(key: BlobKey): Blob | undefined;
  /** Whether any event's bytes are kept under this commitment; looks through all of them. */
  keepsBlob(ref: string): boolean;
  memoryValue(key: string): JsonValue | undefined;
  /** Made once with the log; part of the default origin. */
  logId(): string;
  /** Size and RFC 9162 root of the log as it is committed. */
  treeHead(): { readonly size: number; readonly root: Uint8Array };
  /** The node over leaves [index · 2^level, (index + 1) · 2^level), all of which are in the log. */
  treeNode(level: number, index: number): Uint8Array;
  /** The checkpoint of that size; without a size the newest. */
  checkpoint(size?: number): StoredCheckpoint | undefined;
  /** Checkpoints larger than `after`, smallest first. */
  checkpoints(after: number, limit: number): StoredCheckpoint[];
  /** The last `key_rotated` event; asked before each checkpoint, so its cost must not grow with the log. */
  keyRotation(): AuditEvent | undefined;
  /** Files beside the database that hold keys, existing or not yet (SEMANTICS H2). */
  keyFiles(): readonly string[];
  /** Bytes that can still be written, or undefined where that means nothing. */
  freeBytes(): number | undefined;
  /**
   * After a failed write: gives up the connection, opens the database anew and verifies everything that was
   * appended since the last commit that is known to have worked. Throws when it is not that log any more.
   */
  reopen(): void;
  /**
   * After an erasure: writes the store's files anew and empties the write-ahead log, so that no remains of what was
   * removed are left in free space. Takes time in proportion to the store. False when others kept it busy.
   */
  scrub(): Promise<boolean>;
  close(): void;
}

/** The exclusive right to append, until `commit` or `rollback`. */
export interface StoreTransaction {
  /** Events that others committed after `seq`. */
  eventsAfter(seq: number): AuditEvent[];
  /** @param text the event's RFC 8785 form, exactly what is kept. */
  append(event: AuditEvent, text: string, changes: readonly Change[]): void;
  /** @param seq number of the event that commits to it, which this transaction appends. */
  putBlob(seq: number, blob: Blob): void;
  /** Removes a blob wherever it is kept; `scrub` after the commit removes what is left of it in free space. */
  eraseBlob(ref: string): void;
  setMemory(key: string, value: JsonValue): void;
  /** Makes or renews a lease; no event, for it says nothing of authority. */
  putLease(lease: Lease): void;
  removeLease(writer: string): void;
  /** Keeps a checkpoint; one that is there already for its size stays. */
  putCheckpoint(checkpoint: StoredCheckpoint): void;
  /** Durable when it returns. When it throws, nothing is known: reopen and look. */
  commit(): void;
  rollback(): void;
}

let openDriver: (store: Store) => StoreDriver;

/**
 * A database that was opened. It is root authority: whoever holds it can wire the parts that mint
 * authority (DESIGN, The one idea), so keep it out of reach of agents. The log itself cannot be written
 * through it, only through the parts.
 */
export class Store {
  readonly location: string;
  readonly #driver: StoreDriver;

  constructor(driver: StoreDriver) {
    this.#driver = driver;
    this.location = driver.location;
    Object.freeze(this);
  }

  /** Releases the files. Parts wired to it fail with `audit_unavailable` afterwards. */
  close(): void {
    this.#driver.close();
  }

  static {
    openDriver = (store) => store.#driver;
  }
}

/** For the composition of parts inside this package; not exported from it. */
export function driverOf(store: Store): StoreDriver {
  return openDriver(store);
}
