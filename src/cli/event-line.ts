import type { AuditEvent } from "../model/event.js";
import type { JsonValue } from "../model/json.js";
import type { Palette } from "./palette.js";
import { jsonLine } from "./printable.js";
import { alignedLines } from "./table.js";

/** Members worth a place on a line, in this order; `--json` has all of them. */
const members = [
  "effect",
  "reason",
  "result",
  "code",
  "status",
  "policy",
  "changes",
  "binding_id",
  "contract_id",
  "parent_id",
  "issued_to",
  "issued_by",
  "created_by",
  "revoked_by",
  "by",
  "duration_ms",
] as const;

const envelope = new Set(["event", "id", "seq", "timestamp", "protocol_version"]);
const detailsMax = 200;

/** One event on one line: number, time, type, agent, step, and what it says. */
export function eventLine(event: AuditEvent, palette: Palette): string {
  const bad = /denied|revoked|cancelled|agent_suspended/.test(event.event) || event["result"] === "failure";
  const cells = [
    { text: String(event.seq).padStart(6), paint: palette.dim },
    { text: event.timestamp, paint: palette.dim },
    { text: event.event, paint: bad ? palette.warn : palette.bold },
    textOf(event["agent_id"]) || "-",
    textOf(event["step_id"]) || "-",
    detailsOf(event),
  ];
  return alignedLines([cells], [6, 24, 25, 10, 12]).join("");
}

function detailsOf(event: AuditEvent): string {
  if (event.event.startsWith("x_")) {
    const own = Object.fromEntries(Object.entries(event).filter(([name]) => !envelope.has(name)));
    const text = jsonLine(own);
    return text.length > detailsMax ? `${text.slice(0, detailsMax)}…` : text;
  }
  const said = members.flatMap((name) => {
    const value = event[name];
    return value === undefined || value === null ? [] : [`${name}=${textOf(value)}`];
  });
  const about = event.event.startsWith("run_") ? event["run_id"] : event["capability"];
  return [...(typeof about === "string" ? [about] : []), ...said].join(" ");
}

function textOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : jsonLine(value);
}
