import type { LogImage } from "../../core/log-image.js";
import { hashBytes } from "../../model/proof/hash.js";
import type { Connection } from "./database.js";
import { guarded } from "./damage.js";

/** Numbers of the rows, how many hold a hash, and all hashes in one value: one for each row costs more than hashing it. */
const leavesOfPage =
  "SELECT count(*), min(seq), max(seq), sum(typeof(leaf) = 'blob' AND length(leaf) = 32), " +
  "CAST(group_concat(CAST(leaf AS TEXT), '') AS BLOB) " +
  "FROM (SELECT seq, leaf FROM events WHERE seq > ? ORDER BY seq LIMIT ?)";

type Summary = readonly [
  rows: number,
  first: number | null,
  last: number | null,
  good: number | null,
  leaves: Uint8Array | null,
];

/** Reads pages of rows that are as they should be (`LogImage.entries`). */
export function entryReader(db: Connection): LogImage["entries"] {
  // Text in another encoding would be decoded as well, and its bytes are not those that were hashed.
  const isUtf8 = guarded(() => db.pragma("encoding", { simple: true })) === "UTF-8";
  const texts = guarded(() =>
    db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq LIMIT ?").pluck(),
  );
  const summary = guarded(() => db.prepare(leavesOfPage).raw());
  return (after, limit) => {
    if (!isUtf8) return undefined;
    const documents = guarded(() => texts.all(after, limit));
    const [rows, first, last, good, leaves] = guarded(() => summary.get(after, limit) as Summary);
    if (!documents.every((text): text is string => typeof text === "string")) return undefined;
    if (first === null || last === null || leaves === null || last - first + 1 !== rows) return undefined;
    if (documents.length !== rows || good !== rows || leaves.length !== rows * hashBytes) return undefined;
    return { first, documents, leaves: Buffer.from(leaves).toString("latin1") };
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

/** A text that holds what stands between values, or for none, is odd: it could be taken for others. */
const textOrNone = (column: string) =>
  `CASE typeof(${column}) WHEN 'text' THEN CASE WHEN instr(${column}, char(0)) = 0 AND instr(${column}, char(1)) = 0 ` +
  `THEN ${column} END WHEN 'null' THEN char(1) END`;
const keysOfPage =
  "SELECT count(*), group_concat(id, char(0)), group_concat(run, char(0)), group_concat(agent, char(0)) FROM (" +
  `SELECT ${textOrNone("id")} AS id, ${textOrNone("run_id")} AS run, ${textOrNone("agent_id")} AS agent ` +
  "FROM event_keys WHERE seq BETWEEN ? AND ? ORDER BY seq)";

/** Reads what events are found by (`LogImage.keyPage`). */
export function keyPageReader(db: Connection): LogImage["keyPage"] {
  const page = guarded(() => db.prepare(keysOfPage).raw());
  return (first, last) => {
    const [rows, ids, runs, agents] = guarded(
      () => page.get(first, last) as [number, string | null, string | null, string | null],
    );
    if (rows !== last - first + 1 || ids === null || runs === null || agents === null) return undefined;
    return { ids, runs, agents };
  };
}
