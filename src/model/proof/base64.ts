/** Standard base64 with padding (RFC 4648, section 4). */
export function printBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}

/**
 * The bytes of a base64 text, or undefined when it is not in the one canonical spelling: `atob` alone would
 * ignore white space and stray trailing bits, so one signature could be written in many ways.
 */
export function parseBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return printBase64(bytes) === text ? bytes : undefined;
}
