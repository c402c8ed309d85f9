import { AuditUnavailableError } from "../model/errors.js";
import { adminLane } from "./lanes.js";

/**
 * What a transition needs the disk for: `new` begins something (a request, a run, a note), `begun` brings to
 * its end what was authorised before.
 */
export type Need = "new" | "begun";

/**
 * Nothing new begins with less than this free: what runs already has to be recorded, or its outcome would be
 * unknown …
 */
const newBytesMin = 512 * 1024;
/** … and the last is kept for revocations: a full disk must not make authority irrevocable (SEMANTICS D9). */
const begunBytesMin = 128 * 1024;

/** Why a transition may not be written with so much room left; undefined when it may. */
export function roomRefusal(
  freeBytes: number | undefined,
  { lane, need }: { readonly lane: string; readonly need: Need },
): AuditUnavailableError | undefined {
  if (lane === adminLane || freeBytes === undefined) return undefined;
  if (freeBytes >= (need === "new" ? newBytesMin : begunBytesMin)) return undefined;
  return new AuditUnavailableError("the disk that holds the log is full", {
    hint: "free some space; changes of authority still work",
  });
}
