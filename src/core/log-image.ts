import type { KeyColumns } from "./event-keys.js";
import type { BlobKey } from "./store.js";
import type { State } from "../model/state.js";

/** One row of the log, as it is stored and not as it should be. */
export interface EventRow {
  readonly seq: number;
  /** The bytes of the document; undefined when the row holds no text. */
  readonly doc: Uint8Array | undefined;
  /** Undefined when the row holds no bytes. */
  readonly leaf: Uint8Array | undefined;
}

/** Rows that are as rows should be: numbered without a gap, and each with a text and a hash. */
export interface EntryPage {
  /** Number of the first. */
  readonly first: number;
  readonly documents: readonly string[];
  /** Their leaf hashes one after the other, one character a byte: 32 characters for each; none where not asked for. */
  readonly leaves: string | undefined;
}

export interface CheckpointRow {
  readonly size: number;
  readonly note: string;
}

export interface AuthorityRow {
  readonly id: string;
  readonly kind: string;
  readonly created_seq: number;
  readonly revoked_seq: number | null;
  readonly uses: number;
}

export interface RunRow {
  readonly run_id: string;
  readonly workflow: string;
  readonly status: string;
  readonly started_seq: number;
  readonly started_at: string;
  readonly ended_at: string | null;
  /** The process that ran it last; null in logs that did not say. */
  readonly writer: string | null;
}

/** What a block of events is found by (event-keys.ts), as the tables have it: anything may stand there. */
export interface KeyBlock {
  /** The first and the last id; undefined where there is no such row. */
  readonly ids: readonly unknown[] | undefined;
  readonly rows: KeyColumns;
}

/** The documents of a log hashed again, all of them. */
export interface TreeSurvey {
  /** Whether each row keeps the hash of its document, and the tables the tree's head and nodes. */
  readonly intact: boolean;
  readonly size: number;
  /** RFC 9162 roots in the order of their sizes: 0, those of the checkpoints, those asked for, and the last. */
  readonly roots: readonly (readonly [size: number, root: Uint8Array])[];
}

/** Rows of blobs in the order of their events. */
export interface BlobPage {
  /** Numbers of their events. */
  readonly seqs: readonly number[];
  /** 64 characters each, one after the other. */
  readonly refs: string;
}

/** The bytes behind commitments, all of them read. */
export interface BlobSurvey {
  /** Those that are not what was committed to, in the order of the table; at most a hundred. */
  readonly unlike: readonly BlobKey[];
}

/**
 * A database at one moment, for an auditor: read-only, and nothing in it is taken for true. Every method
 * throws `StoreError` with code `database_damaged` when the database cannot give what was asked.
 */
export interface LogImage {
  /** What the database itself finds wrong: broken pages, indices that disagree, a schema that is not ours. */
  damage(): Promise<readonly string[]>;
  logId(): string;
  eventCount(): number;
  /** Number of the last event; 0 in an empty log. */
  lastSeq(): number;
  /** How many rows there are with other numbers than 1 to `last`. */
  eventsBeside(last: number): number;
  /** Rows with a higher `seq`, in order. */
  events(after: number, limit: number): readonly EventRow[];
  /**
   * The same rows, read in a fraction of the time; undefined where there are none, or one is not as it should be,
   * which `events` shows. A text that is not valid UTF-8 has U+FFFD in place of what could not be decoded.
   */
  entries(after: number, limit: number, leaves: boolean): EntryPage | undefined;
  /** Numbers of the first and the last event of a run, by the index over runs; undefined when there are none. */
  rangeOfRun(runId: string): { readonly first: number; readonly last: number } | undefined;
  /** The run that was started last. */
  newestRun(): string | undefined;
  /** Which events are said to be `key_rotated`, in order … */
  rotationRows(): readonly unknown[];
  /** … and those of them that are in the log: to be compared with the log itself. */
  keyRotations(): readonly EventRow[];
  /** `events` for whoever takes the log for what it is: number and document alone, which is faster. */
  documents(after: number, limit: number): readonly (readonly [seq: number, document: unknown])[];
  /** The row that has this event id, or undefined. */
  eventById(id: string): EventRow | undefined;
  keyBlock(block: number): KeyBlock;
  /** How many rows there are for all blocks, those of the ids among them. */
  keyCount(): number;
  /** Up to which event the tables follow the log, and the tree there. */
  head(): readonly { readonly size: number; readonly hashes: Uint8Array }[];
  node(level: number, index: number): Uint8Array | undefined;
  nodeCount(): number;
  /** The smallest checkpoint that is larger than `size`. */
  checkpointAfter(size: number): CheckpointRow | undefined;
  newestCheckpoint(): CheckpointRow | undefined;
  authority(): Iterable<AuthorityRow>;
  /** The uses in a rate window, in order: their numbers, and their times in ms. */
  rateUses(id: string): readonly { readonly n: number; readonly at: number }[];
  /** Ids that have a rate window in the tables. */
  rated(): readonly string[];
  suspended(): readonly string[];
  openSteps(): Iterable<{ readonly request_id: string; readonly seq: number }>;
  runs(): Iterable<RunRow>;
  policies(): Iterable<{ readonly name: string; readonly file: string }>;
  hasBlob(key: BlobKey): boolean;
  /** What a commitment stands for; undefined when it was erased, or never was there. */
  blob(key: BlobKey): { readonly salt: Uint8Array; readonly bytes: Uint8Array } | undefined;
  /** The state at the last event as the tables have it, which is what the store decides from. */
  state(): State;
  /** Which commitments have bytes that are kept with these events; undefined where a row is odd. */
  blobsOf(first: number, last: number): BlobPage | undefined;
  /** Where bytes are kept behind any of these commitments, in the order of the table. */
  blobsLike(refs: readonly string[]): readonly BlobKey[];
  /** Reads all bytes behind commitments. */
  blobs(): Promise<BlobSurvey>;
  /** Whether the whole file is read on another thread, so that waiting for it costs little. */
  readonly isSurveyed: boolean;
  /**
   * Hashes all documents on that other thread; undefined where there is none, or it could not.
   * @param sizes of which the root is wanted.
   */
  tree(sizes: readonly number[]): Promise<TreeSurvey | undefined>;
  close(): void;
}
