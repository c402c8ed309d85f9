// @ts-check
import { hash } from "node:crypto";

/** @import { Database, Statement } from "better-sqlite3" */
/** @import { TreeSurvey } from "../../core/log-image.js" */

const pageSize = 256;
const hashBytes = 32;
const keptLevels = 8;

/**
 * A page of documents in a few values, each document behind a NUL: the byte that RFC 9162 hashes before a leaf, so
 * that nothing has to be copied. Nothing else in this file knows what a document is.
 */
const pageSql = `SELECT count(*), max(seq),
  sum(typeof(doc) = 'text' AND typeof(leaf) = 'blob' AND length(leaf) = ${hashBytes}),
  json_group_array(octet_length(doc)),
  CAST(char(0) || group_concat(doc, char(0)) AS BLOB), CAST(group_concat(CAST(leaf AS TEXT), '') AS BLOB)
  FROM (SELECT seq, doc, leaf FROM events WHERE seq > ? ORDER BY seq LIMIT ${pageSize})`;

/**
 * @typedef {[rows: number, last: number, good: number, lengths: string, documents: Buffer, leaves: Buffer]} Page
 */

/**
 * Hashes every document again and grows the tree over them (RFC 9162, 2.1): whether each row keeps the hash of its
 * document and the tables keep the tree's head and nodes, and the roots that checkpoints are compared with. Where
 * anything is not as it should be, it says so and no more.
 *
 * @param {Database} db
 * @param {readonly number[]} sizes of which the root is wanted too, beside those of the checkpoints.
 * @returns {TreeSurvey}
 */
export function surveyTree(db, sizes) {
  const stored = /** @type {unknown[]} */ (db.prepare("SELECT size FROM checkpoints").pluck().all());
  const wanted = new Set([...stored, ...sizes, 0]);
  const tree = new Tree(db);
  /** @type {[number, Uint8Array][]} */
  const roots = [];
  const note = () => {
    if (wanted.has(tree.size)) roots.push([tree.size, tree.root()]);
  };
  note();
  const broken = { intact: false, size: tree.size, roots: [] };
  if (db.pragma("encoding", { simple: true }) !== "UTF-8") return broken;
  if (db.prepare("SELECT 1 FROM events WHERE seq < 1 LIMIT 1").get() !== undefined) return broken;
  const pages = db.prepare(pageSql).raw();
  for (;;) {
    const page = /** @type {Page} */ (pages.get(tree.size));
    if (page[0] === 0) break;
    if (!takePage(tree, page, note)) return broken;
  }
  if (!tree.isKept()) return broken;
  if (!wanted.has(tree.size)) roots.push([tree.size, tree.root()]);
  return { intact: true, size: tree.size, roots };
}

/** @param {Tree} tree @param {Page} page @param {() => void} note */
function takePage(tree, [rows, last, good, lengths, documents, leaves], note) {
  // Numbers beyond those before, as many as there are up to the last: no gap.
  if (last !== tree.size + rows || good !== rows) return false;
  const kept = leaves.toString("latin1");
  const each = parse(lengths);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const length = 1 + /** @type {number} */ (each[row]);
    if (at + length > documents.length) return false;
    // A plain view costs half of what a part of a Buffer costs.
    const leaf = hash(
      "sha256",
      new Uint8Array(documents.buffer, documents.byteOffset + at, length),
      "binary",
    );
    if (documents[at] !== 0 || !kept.startsWith(leaf, row * hashBytes)) return false;
    if (!tree.append(leaf)) return false;
    note();
    at += length;
  }
  return at === documents.length && kept.length === rows * hashBytes;
}

/** @type {(text: string) => number[]} */
const parse = JSON.parse;

/** The nodes that cover a growing log, one of each size. Hashes are text of one character a byte (`hash`). */
class Tree {
  size = 0;
  /** The node of level n is at n, and counts where the bit n of `size` is set. @type {string[]} */
  #nodes = [];
  #pair = Buffer.alloc(1 + 2 * hashBytes, 1);
  #keptNodes = 0;
  #headMet = false;
  /** @type {number} */
  #tablesSize;
  /** @type {string} */
  #head;
  /** @type {Statement} */
  #node;
  /** @type {unknown} */
  #nodeCount;

  /** @param {Database} db */
  constructor(db) {
    const heads = /** @type {[unknown, unknown][]} */ (
      db.prepare("SELECT size, hashes FROM tree_head").raw().all()
    );
    const [size, hashes] = heads[0] ?? [];
    this.#tablesSize = heads.length === 1 && typeof size === "number" ? size : -1;
    this.#head = hashes instanceof Uint8Array ? Buffer.from(hashes).toString("latin1") : "?";
    this.#node = db.prepare("SELECT hash FROM tree_nodes WHERE level = ? AND idx = ?").pluck();
    this.#nodeCount = db.prepare("SELECT count(*) FROM tree_nodes").pluck().get();
    this.#meetHead();
  }

  /** @param {string} leaf @returns {boolean} whether the tables keep what they should of the nodes it completes. */
  append(leaf) {
    let [level, index, node] = [0, this.size, leaf];
    while (index % 2 === 1) {
      node = this.#parent(/** @type {string} */ (this.#nodes[level]), node);
      level++;
      index = (index - 1) / 2;
      if (level % keptLevels === 0 && this.size < this.#tablesSize && !this.#isKeptNode(level, index, node))
        return false;
    }
    this.#nodes[level] = node;
    this.size++;
    this.#meetHead();
    return true;
  }

  root() {
    const [first, ...others] = this.#cover().reverse();
    if (first === undefined) return hash("sha256", "", "buffer");
    return Buffer.from(
      others.reduce((root, node) => this.#parent(node, root), first),
      "latin1",
    );
  }

  /** Whether the tables keep the head of the tree as it was at the size they say, and no other nodes than its own. */
  isKept() {
    return this.#headMet && this.#nodeCount === this.#keptNodes;
  }

  /** The nodes that cover the log, the largest first. */
  #cover() {
    const cover = [];
    for (let [level, rest] = [0, this.size]; rest > 0; level++, rest = Math.floor(rest / 2))
      if (rest % 2 === 1) cover.push(/** @type {string} */ (this.#nodes[level]));
    return cover.reverse();
  }

  #meetHead() {
    if (this.size === this.#tablesSize) this.#headMet = this.#cover().join("") === this.#head;
  }

  /** @param {number} level @param {number} index @param {string} node */
  #isKeptNode(level, index, node) {
    this.#keptNodes++;
    const kept = /** @type {unknown} */ (this.#node.get(level, index));
    return kept instanceof Uint8Array && Buffer.from(kept).toString("latin1") === node;
  }

  /** @param {string} left @param {string} right */
  #parent(left, right) {
    this.#pair.write(left + right, 1, "latin1");
    return hash("sha256", this.#pair, "binary");
  }
}
