import type { EffectUse } from "../core/ports.js";
import { recordOf, withoutPlaces, withShared } from "../core/shared-parts.js";
import { canonicalJson } from "../model/canonical.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { isRecorded, shownValue } from "./blob-reader.js";
import type { JournalEntry } from "./journal.js";

/** A use as it was asked for, taken down at once: the action may change afterwards what it handed over. */
export interface AskedUse {
  readonly effect: string;
  readonly capabilities: readonly string[];
  /** Canonical JSON; undefined when the request has no such form. */
  readonly request: string | undefined;
}

export function askedUse({ kind, capabilities, request }: EffectUse): AskedUse {
  return { effect: kind, capabilities: [...capabilities], request: canonicalOf(request) };
}

/** Undefined: it is the same use. A request that was erased, or never recorded, is not compared. */
export function differenceOf(entry: JournalEntry, use: AskedUse, params: JsonObject): string | undefined {
  if (entry.effect !== use.effect) return "another method";
  const { capabilities } = use;
  const same =
    capabilities.length === entry.capabilities.length &&
    capabilities.every((text, index) => text === entry.capabilities[index]);
  if (!same) return "another capability";
  const { request } = entry;
  if (request?.value.state !== "present") return undefined;
  const own = ownPart(use, request.places, params);
  if (own !== undefined && isRecorded(own, request.ref, request.value)) return undefined;
  return "another request";
}

/** As it would be recorded with what the record shares; undefined when that is not there, or something else. */
function ownPart(
  { request }: AskedUse,
  places: readonly string[] | undefined,
  params: JsonObject,
): string | undefined {
  if (request === undefined || places === undefined) return request;
  const own = withoutPlaces(JSON.parse(request) as JsonValue, places, params);
  return own === undefined ? undefined : canonicalJson(recordOf({ request: own, places }));
}

export function shownUse({ effect, capabilities, request }: AskedUse): JsonValue {
  const asked = request === undefined ? null : shownValue(JSON.parse(request) as JsonValue);
  return { effect, capabilities: [...capabilities], request: asked };
}

export function shownEntry({ effect, capabilities, request }: JournalEntry, params: JsonObject): JsonValue {
  const asked =
    request?.value.state === "present"
      ? shownValue(withShared(request.value.value, request.places ?? [], params))
      : null;
  return { effect, capabilities: [...capabilities], request: asked };
}

function canonicalOf(request: JsonValue): string | undefined {
  try {
    return canonicalJson(request);
  } catch {
    // A step fails such a use before anything is attempted; its record then has no request either.
    return undefined;
  }
}
