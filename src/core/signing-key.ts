import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { EvidenceError, StoreError } from "../model/errors.js";
import type { Signer } from "./ports.js";

/** A signer whose key is in this process. */
export interface FileSigner extends Signer {
  signNow(message: Uint8Array): Uint8Array;
}

/**
 * The Ed25519 key beside a database, made when it is first needed (file mode 0600, PKCS #8 PEM).
 *
 * @throws StoreError `insecure_key` when others may read it, `invalid_key` when it is not such a key.
 */
export function fileSigner(path: string, keyName: string): FileSigner {
  const pem = readKeyFile(path);
  if (pem === undefined) return signerOf(makeKey(path), keyName);
  if (last?.keyName !== keyName || !last.pem.equals(pem))
    last = { keyName, pem, signer: signerOf(parseKey(path, pem), keyName) };
  return last.signer;
}

/** A file is read for every checkpoint, since keys are replaced; parsing one that says the same takes ten times as long. */
let last: { readonly keyName: string; readonly pem: Buffer; readonly signer: FileSigner } | undefined;

/** The key of such a file itself, for what is signed in another form than a note. Throws as `fileSigner`. */
export function keyAt(path: string): KeyObject {
  return readKey(path) ?? makeKey(path);
}

/** A key that lives as long as the process: for databases in memory. */
export function ephemeralSigner(keyName: string): Signer {
  return signerOf(generateKeyPairSync("ed25519").privateKey, keyName);
}

function signerOf(privateKey: KeyObject, keyName: string): FileSigner {
  const signNow = (message: Uint8Array) => new Uint8Array(sign(null, message, privateKey));
  // Beside the thread that runs steps, as there is time.
  const signSoon = (message: Uint8Array) =>
    new Promise<Uint8Array>((resolve, reject) => {
      sign(null, message, privateKey, (error, signature) => {
        if (error === null) resolve(new Uint8Array(signature));
        else reject(error);
      });
    });
  return Object.freeze({
    keyName,
    publicKey: rawPublicKey(createPublicKey(privateKey)),
    signNow,
    sign: signSoon,
  });
}

function readKey(path: string): KeyObject | undefined {
  const pem = readKeyFile(path);
  return pem === undefined ? undefined : parseKey(path, pem);
}

function readKeyFile(path: string): Buffer | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if ((stats.mode & 0o077) !== 0) {
    throw new StoreError("insecure_key", `others may read the signing key \`${path}\``, {
      hint: `chmod 600 ${path}`,
    });
  }
  return orInvalid(path, () => readFileSync(path));
}

function parseKey(path: string, pem: Buffer): KeyObject {
  const key = orInvalid(path, () => createPrivateKey(pem));
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new StoreError("invalid_key", `\`${path}\` is not an Ed25519 key`);
}

function orInvalid<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new StoreError("invalid_key", `\`${path}\` is not a signing key`, { cause });
  }
}

/**
 * Written whole and synced under another name first: a crash in the middle must not leave half a key where every
 * later checkpoint looks for one, nor a durable checkpoint whose key is gone.
 */
function makeKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const draft = `${path}.${randomUUID()}`;
  const file = openSync(draft, "wx", 0o600);
  try {
    try {
      writeSync(file, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // A link and no renaming: of two processes that need it first at once, the second uses that of the first.
    linkSync(draft, path);
  } catch (error) {
    const made = (error as NodeJS.ErrnoException).code === "EEXIST" ? readKey(path) : undefined;
    if (made !== undefined) return made;
    throw error;
  } finally {
    unlinkSync(draft);
  }
  syncFolder(dirname(path));
  return privateKey;
}

function syncFolder(path: string): void {
  // Windows opens no folders; there a name is durable with its file.
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * The public half of the key beside a database, for verifying alone: makes nothing, and asks nothing of the mode.
 *
 * @returns 32 bytes, or undefined when there is no file.
 * @throws EvidenceError `malformed_key` when the file is not an Ed25519 key.
 */
export function publicKeyBeside(path: string): Uint8Array | undefined {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  let key: KeyObject | undefined;
  try {
    key = createPublicKey(readFileSync(path));
  } catch (cause) {
    throw new EvidenceError("malformed_key", `\`${path}\` is not a key`, { path, cause });
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw new EvidenceError("malformed_key", `\`${path}\` is not an Ed25519 key`, { path });
  return rawPublicKey(key);
}

/** The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the key (RFC 8410). */
function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: "spki", format: "der" }).subarray(-32));
}
