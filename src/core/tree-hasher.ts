import { hashBytes, type TreeHasher, treeHasher } from "../model/proof/hash.js";
import { binaryBytes, nodeCrypto, sha256Binary } from "./node-crypto.js";

const general = treeHasher(nodeCrypto.sha256);
// A log has a node for every event: they share the bytes that are hashed, which Node's SHA-256 does not keep.
const pair = new Uint8Array(1 + 2 * hashBytes);
pair[0] = 1;

/** The log's hashing with Node's SHA-256. */
export const nodeTreeHasher: TreeHasher = Object.freeze({
  ...general,
  node: (left: Uint8Array, right: Uint8Array) => {
    if (left.length !== hashBytes || right.length !== hashBytes) return general.node(left, right);
    pair.set(left, 1);
    pair.set(right, 1 + hashBytes);
    return binaryBytes(sha256Binary(pair));
  },
});

/** The leaf hash of an event's text, one character a byte: without making the bytes that are hashed. */
export function leafOfText(text: string): string {
  return sha256Binary(`\0${text}`);
}
