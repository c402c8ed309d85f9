import { isJsonArray, type JsonValue } from "../../model/json.js";

const charactersMax = 64 * 1024;

/** Where the pages of several servers go on, as one opaque cursor. */
export function encodeCursor(places: ReadonlyMap<string, string>): string {
  return Buffer.from(JSON.stringify([...places]), "utf8").toString("base64url");
}

/** Undefined: it is not one that `encodeCursor` made. A client may send anything; a server's name gives it nothing. */
export function decodeCursor(cursor: JsonValue): ReadonlyMap<string, string> | undefined {
  if (typeof cursor !== "string" || cursor.length > charactersMax) return undefined;
  try {
    const value = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as JsonValue;
    if (!isJsonArray(value)) return undefined;
    const places = new Map<string, string>();
    for (const pair of value) {
      if (!isJsonArray(pair) || pair.length !== 2) return undefined;
      const [server, at] = pair;
      if (typeof server !== "string" || typeof at !== "string") return undefined;
      places.set(server, at);
    }
    return places;
  } catch {
    return undefined;
  }
}
