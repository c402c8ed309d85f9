// @ts-check
import { hash } from "node:crypto";
import { blobsOfEvent } from "./blob-place.js";

/** @import { Database } from "better-sqlite3" */
/** @import { BlobSurvey } from "../../core/log-image.js" */
/** @import { BlobKey } from "../../core/store.js" */

const pageSize = 256;
const unlikeMax = 100;

/** As in image.ts: a damaged row can hold NULL where the schema forbids it. */
const bytesOf = (/** @type {string} */ name) => `coalesce(CAST(${name} AS BLOB), x'')`;
const columns = `id, ref, ${bytesOf("salt")} AS salt, ${bytesOf("bytes")} AS bytes`;

/**
 * Many rows in a few values: a value of its own for each salt and each text costs more than hashing it. `lengths` has
 * one character a row, one more than the bytes of both, so that none is NUL. Where a row is large, or odd, the
 * rows are read one by one.
 */
const pageColumns = `count(*),
  sum(typeof(ref) = 'text' AND length(CAST(ref AS BLOB)) = 64
    AND typeof(salt) = 'blob' AND length(salt) <= 1024 AND typeof(bytes) = 'blob' AND length(bytes) <= 4096),
  json_group_array(id),
  group_concat(CASE WHEN length(bytes) <= 4096 THEN ref END, ''),
  CAST(group_concat(CASE WHEN length(salt) <= 1024 AND length(bytes) <= 4096 THEN salt || bytes END, '') AS BLOB),
  group_concat(char(1 + min(length(salt) + length(bytes), 8192)), '')`;

/** @typedef {[rows: number, usual: number | null, ids: string, refs: string, contents: Uint8Array, lengths: string]} Page */
/** @typedef {[id: unknown, ref: unknown, salt: Uint8Array, bytes: Uint8Array]} Row */

/**
 * What SQLite itself finds wrong, the first hundred.
 * @param {Database} db @returns {string[]}
 */
export function integrityFaults(db) {
  const found = /** @type {{ integrity_check: string }[]} */ (db.pragma("integrity_check"));
  return found.map((row) => row.integrity_check).filter((text) => text !== "ok");
}

/**
 * Reads all bytes behind commitments, and holds each against its commitment.
 * @param {Database} db @returns {BlobSurvey}
 */
export function surveyBlobs(db) {
  const rows = db.prepare("SELECT count(*) FROM blobs").pluck().get();
  const found = new Findings();
  // Where pages do not lead to each row once, in order, the file is damaged: one walk over the table sees it all.
  if (!takePages(db, found) || found.rows !== rows) return walked(db);
  return { unlike: found.unlike };
}

/**
 * @param {Database} db @param {Findings} found
 * @returns {boolean} whether the rows came in order.
 */
function takePages(db, found) {
  // The bytes of texts would be others than those of the file.
  if (db.pragma("encoding", { simple: true }) !== "UTF-8") return false;
  const source = `FROM blobs WHERE id > ? ORDER BY id LIMIT ${pageSize}`;
  const pages = db.prepare(`SELECT ${pageColumns} FROM (SELECT id, ref, salt, bytes ${source})`).raw();
  const single = db.prepare(`SELECT ${columns} ${source}`).raw();
  for (let last = Number.MIN_SAFE_INTEGER; ;) {
    const page = /** @type {Page} */ (pages.get(last));
    if (page[0] === 0) return true;
    const odd = () => /** @type {Row[]} */ (single.all(last));
    for (const { id, ref, content } of page[0] === page[1] ? rowsOf(page) : rowsOfEach(odd())) {
      if (typeof id !== "number" || typeof ref !== "string" || id <= last) return false;
      found.take(id, ref, content);
      last = id;
    }
  }
}

/** @type {(text: string) => unknown[]} */
const parse = JSON.parse;

/** @param {Page} page */
function* rowsOf([rows, , ids, refs, contents, lengths]) {
  const places = parse(ids);
  for (let row = 0, at = 0; row < rows; row++) {
    const end = at + lengths.charCodeAt(row) - 1;
    // A plain view costs half of what a part of a Buffer costs.
    const content = new Uint8Array(contents.buffer, contents.byteOffset + at, end - at);
    yield { id: places[row], ref: refs.slice(row * 64, row * 64 + 64), content };
    at = end;
  }
}

/** @param {Iterable<Row>} rows */
function* rowsOfEach(rows) {
  for (const [id, ref, salt, bytes] of rows) yield { id, ref, content: Buffer.concat([salt, bytes]) };
}

/** @param {Database} db @returns {BlobSurvey} */
function walked(db) {
  const found = new Findings();
  const walk = /** @type {Iterable<Row>} */ (db.prepare(`SELECT ${columns} FROM blobs`).raw().iterate());
  for (const { id, ref, content } of rowsOfEach(walk)) found.take(id, ref, content);
  return { unlike: found.unlike };
}

class Findings {
  rows = 0;
  /** @type {BlobKey[]} */
  unlike = [];

  /** @param {unknown} id @param {unknown} ref @param {Uint8Array} content */
  take(id, ref, content) {
    this.rows++;
    if (hash("sha256", content, "hex") === ref || this.unlike.length >= unlikeMax) return;
    this.unlike.push({ seq: Math.trunc(Number(id) / blobsOfEvent), ref: String(ref) });
  }
}
