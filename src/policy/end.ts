import { parseDuration, parseExpiry } from "../model/time.js";
import { type Relation, smallerIsNarrower } from "./relation.js";

/** When an authority ends: at a time, a duration after it is made, or (neither) never. */
export interface End {
  /** ms since the epoch. */
  readonly at: number | undefined;
  /** As it is written, e.g. `12h`. */
  readonly lasts?: string | undefined;
  /** Of what a store has: when it was made (ms). A policy's duration counts from then while it says the same. */
  readonly since?: number | undefined;
}

/** @param text RFC 3339 or a duration; undefined: never. */
export function endOf(text: string | undefined): End {
  if (text === undefined) return { at: undefined };
  return /^[0-9]+[a-z]/.test(text) ? { at: undefined, lasts: text } : { at: parseExpiry(text, 0) };
}

/** @param now ms: what a new duration would count from. */
export function compareEnds(old: End, wanted: End, now: number): Relation {
  if (old.lasts !== undefined && wanted.lasts !== undefined)
    return smallerIsNarrower(parseDuration(old.lasts), parseDuration(wanted.lasts));
  // Applying it leaves alone what was made so long ago with just this duration (SEMANTICS E5).
  if (
    old.since !== undefined &&
    wanted.lasts !== undefined &&
    parseExpiry(wanted.lasts, old.since) === old.at
  )
    return "same";
  return smallerIsNarrower(resolved(old, now), resolved(wanted, now));
}

function resolved({ at, lasts }: End, now: number): number | undefined {
  return lasts === undefined ? at : parseExpiry(lasts, now);
}
