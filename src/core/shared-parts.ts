import { canonicalJson } from "../model/canonical.js";
import type { JsonObject, JsonValue } from "../model/json.js";

/*
 * What an action asks of a handle often holds a large part of the step's own parameters: the arguments of a call, the
 * content of a file. That part is kept once, with the parameters; the record of the use has null in its place, and says
 * where (RFC 6901, JSON Pointer), and the last name of each pointer is that of the parameter. The places stand behind the
 * commitment as well: names may be of the kind that is erased.
 */

// Captured at import: code that patches these afterwards does not see or change what is recorded.
const { hasOwn, keys: keysOf } = Object;
const { isArray } = Array;

/** About so many bytes: what is smaller is not worth a pointer. */
const bytesMin = 4_096;
/** Each costs a copy of what it stands in. */
const placesMax = 8;

export interface SharedParts {
  /** With null in the places. */
  readonly request: JsonValue;
  readonly places: readonly string[];
}

/** The names of parameters that are worth it: the same for all uses of a step. */
export function largeMembers(params: JsonObject): readonly string[] {
  return keysOf(params).filter((name) => isLarge(params[name] as JsonValue));
}

/**
 * @param request plain data that has a canonical form.
 * @param params of the step, as they were committed to.
 * @param large of them, as `largeMembers` says.
 */
export function withoutShared(request: JsonValue, params: JsonObject, large: readonly string[]): SharedParts {
  const places: string[] = [];
  if (isObject(request) && large.length > 0) {
    const add = (holder: JsonObject, outer: string, name: string): void => {
      if (places.length < placesMax && hasSame(holder, name, params[name] as JsonValue))
        places.push(outer + pointer(name));
    };
    for (const name of large) add(request, "", name);
    for (const outer of keysOf(request)) {
      const inner = request[outer];
      // What is left out already is not looked into.
      if (!isObject(inner) || places.includes(pointer(outer))) continue;
      for (const name of large) add(inner, pointer(outer), name);
    }
  }
  return { request: at(request, places, () => null), places };
}

/** What is committed to. */
export function recordOf({ request, places }: SharedParts): JsonValue {
  return places.length === 0 ? request : { places: [...places], request };
}

/** How the uses of one step are recorded. */
export class RequestRecorder {
  readonly #params: JsonObject;
  /** Looked for when there is a use. */
  #large: readonly string[] | undefined;

  /** @param params of the step, as they were committed to. */
  constructor(params: JsonObject) {
    this.#params = params;
  }

  /** The RFC 8785 text that is committed to, and members that say how to read it. */
  record(request: JsonValue): { readonly text: string; readonly members: JsonObject } {
    this.#large ??= largeMembers(this.#params);
    const parts = withoutShared(request, this.#params, this.#large);
    return {
      text: canonicalJson(recordOf(parts)),
      members: parts.places.length === 0 ? {} : { request_shares: true },
    };
  }
}

/** What was committed to of a use that shares something; undefined for anything that `recordOf` does not make. */
export function sharedRecord(value: JsonValue): SharedParts | undefined {
  if (!isObject(value) || keysOf(value).length !== 2) return undefined;
  const { places, request } = value;
  if (!isArray(places) || request === undefined || places.length > placesMax) return undefined;
  const isPlace = (place: JsonValue) =>
    typeof place === "string" && /^(?:\/(?:[^~/]|~[01])*){1,2}$/.test(place);
  if (!places.every(isPlace) || new Set(places).size !== places.length) return undefined;
  return { request, places: places as readonly string[] };
}

/**
 * The same for places that a record says.
 * @returns undefined when something else stands there, or nothing.
 */
export function withoutPlaces(
  request: JsonValue,
  places: readonly string[],
  params: JsonObject,
): JsonValue | undefined {
  let isSame = true;
  const left = at(request, places, (there, name) => {
    isSame &&= hasOwn(params, name) && there !== undefined && sameJson(there, params[name] as JsonValue);
    return null;
  });
  return isSame ? left : undefined;
}

/** What was asked, with everything in its place; what has no place stays as it is. */
export function withShared(request: JsonValue, places: readonly string[], params: JsonObject): JsonValue {
  return at(request, places, (there, name) =>
    hasOwn(params, name) ? (params[name] as JsonValue) : (there ?? null),
  );
}

/** A copy with something else in the places, which are one or two members deep. */
function at(
  value: JsonValue,
  places: readonly string[],
  make: (there: JsonValue | undefined, name: string) => JsonValue,
): JsonValue {
  let made = value;
  for (const place of places) {
    const [first = "", second] = place.slice(1).split("/").map(unescaped);
    if (second === undefined) made = replaced(made, first, (there) => make(there, first));
    else
      made = replaced(made, first, (inner) =>
        inner === undefined
          ? make(undefined, second)
          : replaced(inner, second, (there) => make(there, second)),
      );
  }
  return made;
}

function replaced(
  value: JsonValue,
  name: string,
  make: (there: JsonValue | undefined) => JsonValue,
): JsonValue {
  if (!isObject(value)) {
    make(undefined);
    return value;
  }
  // Computed members are defined, `__proto__` among them.
  return { ...value, [name]: make(hasOwn(value, name) ? value[name] : undefined) };
}

function hasSame(holder: JsonObject, name: string, value: JsonValue): boolean {
  return hasOwn(holder, name) && sameJson(holder[name] as JsonValue, value);
}

/** Whether both are the same data; members in any order. */
function sameJson(one: JsonValue, other: JsonValue): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (isArray(one) || isArray(other)) {
    if (!isArray(one) || !isArray(other) || one.length !== other.length) return false;
    for (let index = 0; index < one.length; index++)
      if (!sameJson(one[index] as JsonValue, other[index] as JsonValue)) return false;
    return true;
  }
  const names = keysOf(one);
  if (names.length !== keysOf(other).length) return false;
  for (const name of names)
    if (!hasSame(other as JsonObject, name, (one as JsonObject)[name] as JsonValue)) return false;
  return true;
}

function isLarge(value: JsonValue): boolean {
  return sizeUpTo(value, bytesMin) >= bytesMin;
}

/** About how long it is written out, or so much that `enough` is reached. */
function sizeUpTo(value: JsonValue, enough: number): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 4;
  let size = 2;
  if (isArray(value)) {
    for (let index = 0; index < value.length && size < enough; index++)
      size += 1 + sizeUpTo(value[index] as JsonValue, enough - size);
    return size;
  }
  for (const name of keysOf(value)) {
    size += name.length + sizeUpTo((value as JsonObject)[name] as JsonValue, enough - size);
    if (size >= enough) break;
  }
  return size;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isArray(value);
}

function pointer(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

function unescaped(token: string): string {
  return token.replaceAll("~1", "/").replaceAll("~0", "~");
}
