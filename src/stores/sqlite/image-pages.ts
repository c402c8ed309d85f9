import type { LogImage } from "../../core/log-image.js";
import { hashBytes } from "../../model/proof/hash.js";
import type { Connection } from "./database.js";
import { guarded } from "./damage.js";

const numbers = "count(*), min(seq), max(seq)";
/** How many rows hold a hash, and all hashes in one value: one for each row costs more than hashing it. */
const leaves =
  "sum(typeof(leaf) = 'blob' AND length(leaf) = 32), CAST(group_concat(CAST(leaf AS TEXT), '') AS BLOB)";
const ofPage = (columns: string, of: string) =>
  `SELECT ${of} FROM (SELECT ${columns} FROM events WHERE seq > ? ORDER BY seq LIMIT ?)`;

type Summary = readonly [
  rows: number,
  first: number | null,
  last: number | null,
  good?: number | null,
  leaves?: Uint8Array | null,
];

/** Reads pages of rows that are as they should be (`LogImage.entries`). */
export function entryReader(db: Connection): LogImage["entries"] {
  // Text in another encoding would be decoded as well, and its bytes are not those that were hashed.
  const isUtf8 = guarded(() => db.pragma("encoding", { simple: true })) === "UTF-8";
  const texts = guarded(() =>
    db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq LIMIT ?").pluck(),
  );
  const bare = guarded(() => db.prepare(ofPage("seq", numbers)).raw());
  const whole = guarded(() => db.prepare(ofPage("seq, leaf", `${numbers}, ${leaves}`)).raw());
  return (after, limit, withLeaves) => {
    if (!isUtf8) return undefined;
    const documents = guarded(() => texts.all(after, limit));
    const summary = guarded(() => (withLeaves ? whole : bare).get(after, limit) as Summary);
    const [rows, first, last, good = rows, hashes] = summary;
    if (!documents.every((text): text is string => typeof text === "string")) return undefined;
    if (first === null || last === null || last - first + 1 !== rows) return undefined;
    if (documents.length !== rows || good !== rows || hashes === null) return undefined;
    if (hashes === undefined) return { first, documents, leaves: undefined };
    if (hashes.length !== rows * hashBytes) return undefined;
    return { first, documents, leaves: Buffer.from(hashes).toString("latin1") };
  };
}

const blobsOfPage =
  "SELECT count(*), sum(typeof(ref) = 'text' AND length(CAST(ref AS BLOB)) = 64), " +
  "json_group_array(seq), group_concat(ref, '') FROM (SELECT seq, ref FROM blobs WHERE seq BETWEEN ? AND ? ORDER BY seq, ref)";

/** Reads which commitments have bytes that are kept (`LogImage.blobsOf`). */
export function blobPageReader(db: Connection): LogImage["blobsOf"] {
  const page = guarded(() => db.prepare(blobsOfPage).raw());
  return (first, last) => {
    const [rows, good, seqs, refs] = guarded(
      () => page.get(first, last) as [number, number | null, string, string | null],
    );
    if (rows === 0) return { seqs: [], refs: "" };
    if (good !== rows || refs?.length !== rows * 64) return undefined;
    return { seqs: JSON.parse(seqs) as number[], refs };
  };
}

const columnOf = (column: string) =>
  `group_concat(CASE typeof(${column}) WHEN 'text' THEN ${column} ELSE char(1) END, char(0)), ` +
  `sum(${column} IS NULL)`;
const keysOfPage =
  `SELECT count(*), ${columnOf("id")}, ${columnOf("run_id")}, ${columnOf("agent_id")} ` +
  "FROM (SELECT id, run_id, agent_id FROM event_keys WHERE seq BETWEEN ? AND ? ORDER BY seq)";

/** Reads what events are found by (`LogImage.keyPage`). */
export function keyPageReader(db: Connection): LogImage["keyPage"] {
  const page = guarded(() => db.prepare(keysOfPage).raw());
  return (first, last) => {
    const [rows, ids, noIds, runs, noRuns, agents, noAgents] = guarded(
      () =>
        page.get(first, last) as [
          number,
          string | null,
          number,
          string | null,
          number,
          string | null,
          number,
        ],
    );
    if (rows !== last - first + 1 || ids === null || runs === null || agents === null) return undefined;
    return {
      ids: { text: ids, none: noIds },
      runs: { text: runs, none: noRuns },
      agents: { text: agents, none: noAgents },
    };
  };
}
