import { hash } from "node:crypto";
import Database from "better-sqlite3";

const hashBytes = 32;

/** A digest as whoever hashes receives it, and as it costs least (docs/benchmarks/profile.md). */
export type Digest = "buffer" | "binary";

/**
 * The least that a verification can do, on one thread: reads each stored document, hashes it and all nodes of the tree
 * (RFC 6962), and compares with nothing. It has no part of the product's own code.
 *
 * @returns the root, base64.
 */
export function hashLog(database: string, digest: Digest): string {
  const db = new Database(database, { readonly: true });
  try {
    const page = db.prepare("SELECT doc FROM events WHERE seq > ? ORDER BY seq LIMIT 256").pluck();
    const grow = digest === "buffer" ? growBuffers() : growTexts();
    for (let read = 0; ;) {
      const documents = page.all(read) as string[];
      for (const document of documents) grow.append(document);
      read += documents.length;
      if (documents.length < 256) return grow.root();
    }
  } finally {
    db.close();
  }
}

/** Nodes that wait for their right siblings; a leaf completes as many as there are ones at the end of its number. */
function grower<T>(
  leaf: (document: string) => T,
  parent: (left: T, right: T) => T,
  print: (root: T) => string,
) {
  const nodes: T[] = [];
  let size = 0;
  return {
    append: (document: string): void => {
      let node = leaf(document);
      for (let index = size++; index % 2 === 1; index = (index - 1) / 2)
        node = parent(nodes.pop() as T, node);
      nodes.push(node);
    },
    root: () => print(nodes.reduceRight((root, node) => parent(node, root))),
  };
}

function growBuffers() {
  const pair = Buffer.alloc(1 + 2 * hashBytes, 1);
  return grower(
    (document) => hash("sha256", `\0${document}`, "buffer"),
    (left, right) => {
      left.copy(pair, 1);
      right.copy(pair, 1 + hashBytes);
      return hash("sha256", pair, "buffer");
    },
    (root) => root.toString("base64"),
  );
}

function growTexts() {
  const pair = Buffer.alloc(1 + 2 * hashBytes, 1);
  return grower(
    (document) => hash("sha256", `\0${document}`, "binary"),
    (left, right) => {
      pair.write(left, 1, "latin1");
      pair.write(right, 1 + hashBytes, "latin1");
      return hash("sha256", pair, "binary");
    },
    (root) => Buffer.from(root, "latin1").toString("base64"),
  );
}
