import { type AuditEvent, type CoreEventType, eventBytesMax } from "../event.js";
import type { JsonObject, JsonValue } from "../json.js";
import { type Shape, shapeOf } from "./event-shape.js";

/** What nearly all of a log is made of. The others are read as JSON. */
const types: readonly CoreEventType[] = [
  "step_execution_requested",
  "step_execution_authorized",
  "step_execution_denied",
  "step_execution_completed",
  "effect_attempted",
  "effect_performed",
];

/** What the grammar and the state ask of these: the expression takes it out. The rest is there when asked for. */
const taken: readonly string[] = [
  ...["id", "seq", "timestamp", "agent_id", "workflow_id", "step_id", "run_id", "attempt"],
  ...["request_id", "state_seq", "binding_id", "binding_ids", "charged", "n", "result"],
];

const isTaken = (member: string): boolean =>
  taken.includes(member) || isCommitment(member) || member.endsWith("_seq");
const isCommitment = (member: string): boolean => member.endsWith("_commitment");

/** Which group of the expression has which member. */
type Groups = Readonly<Record<string, number>>;

interface Reader {
  readonly type: CoreEventType;
  readonly whole: RegExp;
  readonly groups: Groups;
  readonly commitments: readonly CommitmentGroups[];
}

/** Where a commitment stands, and where the event stands that its bytes are kept with, when it can be another one. */
interface CommitmentGroups {
  readonly ref: number;
  readonly seq: number | undefined;
}

/**
 * An event as its text has it: members are made when they are read, and are not enumerable. So a million events cost
 * a fraction of what parsing them takes.
 */
export class UsualEvent implements AuditEvent {
  readonly [member: string]: JsonValue;
  declare readonly id: string;
  declare readonly seq: number;
  declare readonly timestamp: string;
  declare readonly protocol_version: string;
  readonly #reader: Reader;
  readonly #match: RegExpExecArray;

  constructor(reader: Reader, match: RegExpExecArray) {
    this.#reader = reader;
    this.#match = match;
  }

  get event(): CoreEventType {
    return this.#reader.type;
  }

  static {
    for (const member of new Set(types.flatMap((type) => Object.keys(shapeOf(type))))) {
      if (member === "event") continue;
      const get = isTaken(member)
        ? function (this: UsualEvent): JsonValue | undefined {
            const text = this.#match[this.#reader.groups[member] as number];
            return text === undefined ? undefined : valueOf(text);
          }
        : function (this: UsualEvent): JsonValue | undefined {
            return (JSON.parse(this.#match[0]) as JsonObject)[member];
          };
      Object.defineProperty(UsualEvent.prototype, member, { get });
    }
  }

  static commitments(event: UsualEvent): KeptAt[] {
    const found: KeptAt[] = [];
    for (const { ref, seq } of event.#reader.commitments) {
      const text = event.#match[ref];
      const earlier = seq === undefined ? undefined : event.#match[seq];
      if (text !== undefined)
        found.push({ ref: text.slice(1, -1), seq: earlier === undefined ? event.seq : Number(earlier) });
    }
    return found;
  }
}

/**
 * Reads an entry that is spelled as entries of the commonest types nearly always are: every member known, none
 * beside them, ASCII without escapes. It is canonical then, and its members are what they have to be: the
 * expression that it matches is made of the checks themselves (`MemberCheck.usual`).
 *
 * @param text of well-formed UTF-8: nothing in it was replaced while it was decoded, or it does not match.
 * @returns undefined for any other entry, good or bad: `parseEntry` tells.
 */
export function readUsualEntry(text: string): UsualEvent | undefined {
  if (text.length > eventBytesMax) return undefined;
  // A hint and no more: the expression says what the type is.
  const at = text.indexOf('"event":"') + 9;
  const reader = readers.get(text.slice(at, text.indexOf('"', at)));
  const match = reader?.whole.exec(text) ?? null;
  return reader === undefined || match === null ? undefined : new UsualEvent(reader, match);
}

/** A commitment, and the number of the event that its bytes are kept with. */
export interface KeptAt {
  readonly ref: string;
  readonly seq: number;
}

/** The commitments that such an event makes. */
export function usualCommitments(event: UsualEvent): readonly KeptAt[] {
  return UsualEvent.commitments(event);
}

function valueOf(text: string): JsonValue {
  const first = text.charCodeAt(0);
  if (first === 0x22) return text.slice(1, -1);
  if (first === 0x5b || first === 0x6e) return JSON.parse(text) as JsonValue;
  return Number(text);
}

function readerOf(type: CoreEventType): Reader {
  const shape: Shape = shapeOf(type);
  // One layout for all types: reading a member looks the same for each.
  const groups = Object.fromEntries(
    [...new Set(types.flatMap((each) => Object.keys(shapeOf(each))))].filter(isTaken).map((m) => [m, 0]),
  );
  const commitments: CommitmentGroups[] = [];
  let [pattern, begun, last] = ["", false, 0];
  // RFC 8785 sorts by UTF-16 code units, as `sort` does.
  for (const member of Object.keys(shape).sort()) {
    const check = shape[member];
    if (check?.usual === undefined) throw new TypeError(`\`${member}\` of \`${type}\` has no usual spelling`);
    let value = check.usual;
    if (isTaken(member)) {
      value = `(${value})`;
      groups[member] = ++last;
    }
    // The comma goes with the member that may be absent: behind it up to the first that is always there.
    const part = `${begun ? "," : ""}"${member}":${value}${!begun && check.optional ? "," : ""}`;
    pattern += check.optional ? `(?:${part})?` : part;
    begun ||= !check.optional;
  }
  for (const member of Object.keys(shape).filter(isCommitment)) {
    const seq = groups[member.replace(/_commitment$/, "_seq")];
    commitments.push({ ref: groups[member] as number, seq: seq === 0 ? undefined : seq });
  }
  return Object.freeze({ type, whole: new RegExp(`^\\{${pattern}\\}$`), groups, commitments });
}

const readers: ReadonlyMap<string, Reader> = new Map(types.map((type) => [type, readerOf(type)]));
