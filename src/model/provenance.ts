import type { AuditEvent } from "./event.js";
import type { JsonValue } from "./json.js";

/** Who made a link of authority and for which policy. Links that were made together share one. */
export interface Provenance {
  readonly by: string;
  readonly policy: string | undefined;
  readonly protocolVersion: string;
}

let last: Provenance = Object.freeze({ by: "", policy: undefined, protocolVersion: "" });

/** @param claimed who is said to have made it: a claim (SEMANTICS A6), on which nothing rests. */
export function provenanceOf(event: AuditEvent, claimed: JsonValue | undefined): Provenance {
  const by = typeof claimed === "string" ? claimed : "";
  const named = event["policy"];
  const policy = typeof named === "string" ? named : undefined;
  const protocolVersion = event.protocol_version;
  if (last.by !== by || last.policy !== policy || last.protocolVersion !== protocolVersion) {
    last = Object.freeze({ by, policy, protocolVersion });
  }
  return last;
}
