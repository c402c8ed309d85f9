import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import type { ProofCrypto } from "../model/proof/crypto.js";

/**
 * SHA-256 as text, one character a byte. A digest as a `Buffer` takes several times as long as the hashing itself,
 * which counts where there is one for every event and every node of the tree (docs/benchmarks/profile.md).
 *
 * @param bytes text is hashed in UTF-8.
 */
export function sha256Binary(bytes: Uint8Array | string): string {
  return hash("sha256", bytes, "binary");
}

/** The bytes that text stands for that has one character a byte. */
export function binaryBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** SHA-256 and Ed25519 of Node, for the store's own proofs: about thirty times as fast as plain JavaScript. */
export const nodeCrypto: ProofCrypto = Object.freeze({
  sha256: (bytes: Uint8Array) => binaryBytes(sha256Binary(bytes)),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    haveLengths(publicKey, signature) && verify(null, message, keyObject(publicKey), signature),
});

/** The same beside the thread that asks. */
export async function verifiesEd25519(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (!haveLengths(publicKey, signature)) return false;
  return new Promise((resolve, reject) => {
    verify(null, message, keyObject(publicKey), signature, (error, isGood) => {
      if (error === null) resolve(isGood);
      else reject(error);
    });
  });
}

function haveLengths(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return publicKey.length === 32 && signature.length === 64;
}

/** A log has one key for thousands of checkpoints, and making the key of its bytes takes longer than verifying one. */
let lastKey: { readonly x: string; readonly key: KeyObject } | undefined;

function keyObject(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey).toString("base64url");
  if (lastKey?.x !== x)
    lastKey = { x, key: createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }) };
  return lastKey.key;
}
