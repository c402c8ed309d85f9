import { nodeCrypto } from "./node-crypto.js";
import { treeHasher } from "../model/proof/hash.js";

/** The log's hashing with Node's SHA-256. */
export const nodeTreeHasher = treeHasher(nodeCrypto.sha256);
