import { createPublicKey, hash, verify } from "node:crypto";
import type { ProofCrypto } from "../model/proof/crypto.js";

/** SHA-256 and Ed25519 of Node, for the store's own proofs: about thirty times as fast as plain JavaScript. */
export const nodeCrypto: ProofCrypto = Object.freeze({
  sha256: (bytes: Uint8Array) => hash("sha256", bytes, "buffer"),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") },
      format: "jwk",
    });
    return verify(null, message, key, signature);
  },
});
