import type { LogImage } from "../../core/log-image.js";
import { hashBytes } from "../../model/proof/hash.js";
import type { Connection } from "./database.js";
import { guarded } from "./damage.js";
import { blobsOfEvent } from "./blob-place.js";

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
  const numbered = guarded(() =>
    db.prepare("SELECT doc FROM events WHERE seq BETWEEN ? AND ? ORDER BY seq").pluck(),
  );
  const bare = guarded(() => db.prepare(ofPage("seq", numbers)).raw());
  const whole = guarded(() => db.prepare(ofPage("seq, leaf", `${numbers}, ${leaves}`)).raw());
  return (after, limit, withLeaves) => {
    if (!isUtf8) return undefined;
    if (!withLeaves && after > 0) {
      const page = guarded(() => numbered.all(after + 1, after + limit));
      // As many rows as there are numbers: none is missing, and nobody has to look at the numbers.
      if (page.length === limit && areTexts(page))
        return { first: after + 1, documents: page, leaves: undefined };
    }
    const documents = guarded(() => texts.all(after, limit));
    const summary = guarded(() => (withLeaves ? whole : bare).get(after, limit) as Summary);
    const [rows, first, last, good = rows, hashes] = summary;
    if (!areTexts(documents)) return undefined;
    if (first === null || last === null || last - first + 1 !== rows) return undefined;
    if (documents.length !== rows || good !== rows || hashes === null) return undefined;
    if (hashes === undefined) return { first, documents, leaves: undefined };
    if (hashes.length !== rows * hashBytes) return undefined;
    return { first, documents, leaves: Buffer.from(hashes).toString("latin1") };
  };
}

function areTexts(values: unknown[]): values is string[] {
  return values.every((value) => typeof value === "string");
}

const blobsOfPage =
  "SELECT count(*), sum(typeof(ref) = 'text' AND length(CAST(ref AS BLOB)) = 64), " +
  "json_group_array(seq), group_concat(ref, '') " +
  `FROM (SELECT seq, ref FROM blobs WHERE id >= ? * ${blobsOfEvent} AND id < (? + 1) * ${blobsOfEvent} ORDER BY id)`;

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

/** Each column in one value. JSON has no place for a blob, and takes some for its own binary form. */
const columnOfKeys = (name: string) => `json_group_array(CASE typeof(${name}) WHEN 'text' THEN ${name} END)`;
const keyColumns = ["kind", "key", "places"].map(columnOfKeys).join(", ");

/** Reads what a block of events is found by (`LogImage.keyBlock`). */
export function keyBlockReader(db: Connection): LogImage["keyBlock"] {
  const ids = guarded(() => db.prepare("SELECT first, last FROM event_ids WHERE block = ?").raw());
  const rows = guarded(() => db.prepare(`SELECT ${keyColumns} FROM event_keys WHERE block = ?`).raw());
  return (block) =>
    guarded(() => {
      const [kinds, keys, places] = (rows.get(block) as string[]).map(textsOf) as [Texts, Texts, Texts];
      return { ids: ids.get(block) as unknown[] | undefined, rows: { kinds, keys, places } };
    });
}

type Texts = (string | null)[];

function textsOf(json: string): Texts {
  return JSON.parse(json) as Texts;
}
