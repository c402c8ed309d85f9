import { createPublicKey, type KeyObject } from "node:crypto";
import { resolve } from "node:path";
import { calculateJwkThumbprint } from "jose";
import { keyAt } from "../../core/signing-key.js";

/** The key that a database's own tokens are signed with. */
export interface TokenKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SHA-256 thumbprint (RFC 7638): what tokens name it by. */
  readonly id: string;
  /** What tokens call whoever signs with this key: made from the key, so that there is nothing to configure. */
  readonly issuer: string;
}

/**
 * The Ed25519 key in `<database>.token-key`, made when it is first needed, for its owner only (mode 0600). No handle
 * reaches it (SEMANTICS H2). Removing the file ends every token at once.
 *
 * @param database a path.
 * @throws StoreError `insecure_key` when others may read it, `invalid_key` when it is not such a key.
 */
export async function tokenKey(database: string): Promise<TokenKey> {
  const privateKey = keyAt(`${resolve(database)}.token-key`);
  const publicKey = createPublicKey(privateKey);
  const id = await calculateJwkThumbprint(publicKey.export({ format: "jwk" }));
  return Object.freeze({ privateKey, publicKey, id, issuer: `synapse:${id}` });
}
