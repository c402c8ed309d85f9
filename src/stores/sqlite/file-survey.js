// @ts-check
import { hash } from "node:crypto";

/** @import { Database } from "better-sqlite3" */
/** @import { BlobList } from "./survey-protocol.js" */

const pageSize = 256;
const unlikeMax = 100;

/** As in image.ts: a damaged row can hold NULL where the schema forbids it. */
const bytesOf = (/** @type {string} */ name) => `coalesce(CAST(${name} AS BLOB), x'')`;
const columns = `ref, ${bytesOf("salt")} AS salt, ${bytesOf("bytes")} AS bytes`;

/**
 * Many rows in four values: a value of its own for each salt and each text costs more than hashing it. `lengths` has
 * one character a row, one more than the bytes of both, so that none is NUL. Rows that are large, or odd, are read
 * one by one.
 */
const pageColumns = `count(*) AS rows,
  sum(typeof(ref) = 'text' AND length(CAST(ref AS BLOB)) = 64 AND typeof(salt) = 'blob' AND length(salt) <= 1024
    AND typeof(bytes) = 'blob' AND length(bytes) <= 4096) AS usual,
  group_concat(CASE WHEN length(bytes) <= 4096 THEN ref END, '') AS refs,
  CAST(group_concat(CASE WHEN length(salt) <= 1024 AND length(bytes) <= 4096 THEN salt || bytes END, '') AS BLOB) AS contents,
  group_concat(char(1 + min(length(salt) + length(bytes), 8192)), '') AS lengths`;

/**
 * What SQLite itself finds wrong, the first hundred; what it throws where it cannot even look.
 * @param {Database} db @returns {string[]}
 */
export function integrityFaults(db) {
  const found = /** @type {{ integrity_check: string }[]} */ (db.pragma("integrity_check"));
  return found.map((row) => row.integrity_check).filter((text) => text !== "ok");
}

/**
 * Reads all bytes behind commitments: which there are, and which are not what was committed to.
 * @param {Database} db @returns {BlobList}
 */
export function listBlobs(db) {
  const rows = db.prepare("SELECT count(*) FROM blobs").pluck().get();
  const list = new List();
  // Where pages do not lead to each row once, in order, the file is damaged: one walk over the table sees it all.
  if (!takePages(db, list) || list.rows !== rows) return walked(db);
  return list.done();
}

/**
 * @param {Database} db @param {List} list
 * @returns {boolean} whether the rows came in order.
 */
function takePages(db, list) {
  if (db.pragma("encoding", { simple: true }) !== "UTF-8") return false;
  const firstPage = db.prepare(pageSql("")).raw();
  const nextPage = db.prepare(pageSql("WHERE ref > ?")).raw();
  const nextRows = db.prepare(`SELECT ${columns} FROM blobs WHERE ref > ? ORDER BY ref LIMIT ${pageSize}`).raw();
  let last = "";
  for (let page = firstPage.get(); ; page = nextPage.get(last)) {
    const [rows, usual, refs, contents, lengths] =
      /** @type {[number, number | null, string, Uint8Array, string]} */ (page);
    if (rows === 0) return true;
    if (usual === rows) {
      if (refs.length !== rows * 64 || lengths.length !== rows) return false;
      for (let row = 0, at = 0; row < rows; row++) {
        const ref = refs.slice(row * 64, row * 64 + 64);
        const end = at + lengths.charCodeAt(row) - 1;
        if (ref <= last) return false;
        list.take(ref, contents.subarray(at, end));
        [last, at] = [ref, end];
        if (row === rows - 1 && end !== contents.length) return false;
      }
      continue;
    }
    for (const row of nextRows.all(last)) {
      const [ref, salt, bytes] = /** @type {[unknown, Uint8Array, Uint8Array]} */ (row);
      if (typeof ref !== "string" || ref <= last) return false;
      list.take(ref, Buffer.concat([salt, bytes]));
      last = ref;
    }
  }
}

/** @param {string} where */
const pageSql = (where) =>
  `SELECT ${pageColumns} FROM (SELECT ref, salt, bytes FROM blobs ${where} ORDER BY ref LIMIT ${pageSize})`;

/** @param {Database} db @returns {BlobList} */
function walked(db) {
  const list = new List();
  const walk = db.prepare(`SELECT ${columns} FROM blobs`).raw();
  for (const row of walk.iterate()) {
    const [ref, salt, bytes] = /** @type {[unknown, Uint8Array, Uint8Array]} */ (row);
    list.take(ref, Buffer.concat([salt, bytes]));
  }
  const { refs, unlike } = list.done();
  const each = Array.from({ length: refs.length / 32 }, (_, n) => refs.subarray(n * 32, (n + 1) * 32));
  return { refs: Buffer.concat(each.sort((a, b) => Buffer.compare(a, b))), unlike };
}

class List {
  rows = 0;
  /** @type {string[]} */
  #unlike = [];
  #refs = Buffer.allocUnsafe(32 * 1024);
  #end = 0;

  /** @param {unknown} ref @param {Uint8Array} content */
  take(ref, content) {
    this.rows++;
    const text = typeof ref === "string" ? ref : String(ref);
    if (hash("sha256", content, "hex") !== ref && this.#unlike.length < unlikeMax) this.#unlike.push(text);
    if (typeof ref !== "string" || !/^[0-9a-f]{64}$/.test(ref)) return;
    if (this.#end === this.#refs.length) {
      const larger = Buffer.allocUnsafe(this.#refs.length * 2);
      this.#refs.copy(larger);
      this.#refs = larger;
    }
    this.#refs.write(ref, this.#end, "hex");
    this.#end += 32;
  }

  /** @returns {BlobList} */
  done() {
    return { refs: new Uint8Array(this.#refs.buffer, this.#refs.byteOffset, this.#end), unlike: this.#unlike };
  }
}
