import type { AuditEvent } from "./event.js";

/** Who made a link of authority and for which policy. Links that were made together share one. */
export interface Provenance {
  readonly by: string;
  readonly policy: string | undefined;
  readonly protocolVersion: string;
}

let last: Provenance = Object.freeze({ by: "", policy: undefined, protocolVersion: "" });

/** @param by who is said to have made it. */
export function provenanceOf(event: AuditEvent, by: string): Provenance {
  const named = event["policy"];
  const policy = typeof named === "string" ? named : undefined;
  const protocolVersion = event.protocol_version;
  if (last.by !== by || last.policy !== policy || last.protocolVersion !== protocolVersion) {
    last = Object.freeze({ by, policy, protocolVersion });
  }
  return last;
}
