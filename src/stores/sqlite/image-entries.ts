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
