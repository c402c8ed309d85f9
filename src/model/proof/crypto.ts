import { hashes, verify } from "@noble/ed25519";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { hashBytes, type Sha256 } from "./hash.js";

/** The cryptography that verification needs. Pure JavaScript by default; a store may pass a native one for speed. */
export interface ProofCrypto {
  readonly sha256: Sha256;
  /** Ed25519 as in RFC 8032; false for anything that does not verify, wrong lengths included. */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

hashes.sha512 = sha512;

/**
 * Runs wherever JavaScript runs. Verification is strict (not ZIP 215): keys of small order and encodings that
 * are not canonical are refused, since under them one signature verifies for many messages.
 */
export const portableCrypto: ProofCrypto = Object.freeze({
  sha256: (bytes: Uint8Array) => sha256(bytes),
  verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
    publicKey.length === hashBytes &&
    signature.length === 64 &&
    verify(signature, message, publicKey, { zip215: false }),
});
