import { hash } from "node:crypto";

/**
 * SHA-256 (FIPS 180-4), lower-case hex. Strings are hashed as UTF-8.
 * The only file of the model that names a Node module; a browser build replaces this file.
 */
export function sha256Hex(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}
