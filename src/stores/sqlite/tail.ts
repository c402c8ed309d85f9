import { StoreError } from "../../model/errors.js";
import { appendLeaf, type CompactRange } from "../../model/proof/compact-range.js";
import type { TreeHasher } from "../../model/proof/hash.js";
import type { Connection } from "./database.js";
import { TreeTable } from "./tree-table.js";

/**
 * Checks, after a write that failed, that the log on the disk is the one that was known, and more of it: every
 * event since is hashed again and must give the stored leaf and, all together, the stored head. After a failed
 * fsync the kernel may have dropped pages and call them clean, so what is read now proves itself or is not used.
 * Costs what was appended since the last commit that worked, however long the log is.
 *
 * @throws StoreError `damaged_store`
 */
export function verifyTail(db: Connection, hasher: TreeHasher, known: CompactRange): void {
  const check = db.transaction(() => {
    const head = new TreeTable(db, hasher).head();
    const last = db.prepare("SELECT coalesce(max(seq), 0) FROM events").pluck().get() as number;
    if (last !== head.end) throw damaged(db, `it holds ${last} events and a tree of ${head.end}`);
    if (last < known.end) throw damaged(db, `it ends at event ${last}, and event ${known.end} was durable`);
    let range = known;
    const rows = db
      .prepare("SELECT seq, doc, leaf FROM events WHERE seq > ? ORDER BY seq")
      .iterate(known.end) as IterableIterator<{ seq: number; doc: string; leaf: Uint8Array }>;
    for (const { seq, doc, leaf } of rows) {
      const again = hasher.leaf(Buffer.from(doc, "utf8"));
      if (seq !== range.end + 1 || !sameBytes(again, leaf))
        throw damaged(db, `event ${seq} is not as it was written`);
      range = appendLeaf(hasher, range, again);
    }
    const same = range.hashes.length === head.hashes.length;
    if (!same || !range.hashes.every((hash, i) => sameBytes(hash, head.hashes[i])))
      throw damaged(db, "its tree does not follow from its events");
  });
  check.deferred();
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}

function damaged(db: Connection, why: string): StoreError {
  return new StoreError("damaged_store", `after a failed write the log \`${db.name}\` is damaged: ${why}`, {
    hint: "keep the file as it is for whoever looks into it, and go on from a copy that verifies",
  });
}
