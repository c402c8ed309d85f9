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

type Kind = "text" | "text or null" | "number" | "JSON";

/** What the grammar and the state ask of these: the expression takes it out. The rest is there when asked for. */
const taken: Readonly<Record<string, Kind>> = {
  id: "text",
  seq: "number",
  timestamp: "text",
  agent_id: "text",
  workflow_id: "text",
  step_id: "text",
  run_id: "text or null",
  attempt: "number",
  request_id: "text",
  state_seq: "number",
  binding_id: "text",
  binding_ids: "JSON",
  charged: "JSON",
  n: "number",
  result: "text",
};

const isCommitment = (member: string): boolean => member.endsWith("_commitment");

/** All members of these types; those that the expressions take out come first, each with a place of its own. */
const members: readonly string[] = [...new Set(types.flatMap((type) => Object.keys(shapeOf(type))))];
/** Which event a commitment's bytes are kept with, when it is an earlier one. */
const placeOfBytes = (commitment: string): string => commitment.replace(/_commitment$/, "_seq");
const whereKept: ReadonlySet<string> = new Set(members.filter(isCommitment).map(placeOfBytes));
const places: readonly string[] = members.filter(
  (member) => Object.hasOwn(taken, member) || isCommitment(member) || whereKept.has(member),
);

const seqPlace = places.indexOf("seq");

interface Reader {
  readonly type: CoreEventType;
  readonly whole: RegExp;
  /** For each of `places`, which group of the expression has it. */
  readonly groups: readonly number[];
  readonly commitments: readonly CommitmentGroups[];
  /** What stood behind an entry of this type the last time: tried first. */
  follower: Reader | undefined;
}

interface CommitmentGroups {
  readonly ref: number;
  readonly seq: number;
}

/** A commitment, and the number of the event that its bytes are kept with. */
export interface KeptAt {
  readonly ref: string;
  readonly seq: number;
}

/**
 * An event as its text has it: members are made when they are read, and are not enumerable. So a million events cost
 * a fraction of what parsing them takes.
 */
export class UsualEvent implements AuditEvent {
  readonly [member: string]: JsonValue;
  declare readonly id: string;
  declare readonly timestamp: string;
  declare readonly protocol_version: string;
  readonly #reader: Reader;
  readonly #match: RegExpExecArray;
  #seq = 0;

  constructor(reader: Reader, match: RegExpExecArray) {
    this.#reader = reader;
    this.#match = match;
  }

  get event(): CoreEventType {
    return this.#reader.type;
  }

  /** Asked for again and again, and never 0. */
  get seq(): number {
    if (this.#seq === 0) this.#seq = Number(this.#match[this.#reader.groups[seqPlace] as number]);
    return this.#seq;
  }

  static {
    for (const member of members) {
      if (member === "event" || member === "seq") continue;
      const kind = isCommitment(member) ? "text" : whereKept.has(member) ? "number" : taken[member];
      const get = UsualEvent.getters(member, places.indexOf(member))[kind ?? "rest"];
      Object.defineProperty(UsualEvent.prototype, member, { get });
    }
  }

  /** How a member is read, by what it is. */
  static getters(
    member: string,
    place: number,
  ): Readonly<Record<Kind | "rest", (this: UsualEvent) => JsonValue | undefined>> {
    return {
      text() {
        return this.#match[this.#reader.groups[place] as number];
      },
      "text or null"() {
        return this.#match[this.#reader.groups[place] as number] ?? null;
      },
      number() {
        const text = this.#match[this.#reader.groups[place] as number];
        return text === undefined ? undefined : Number(text);
      },
      JSON() {
        const text = this.#match[this.#reader.groups[place] as number];
        return text === undefined ? undefined : parsed(text);
      },
      rest() {
        return (JSON.parse(this.#match[0]) as JsonObject)[member];
      },
    };
  }

  static commitments(event: UsualEvent): KeptAt[] {
    const found: KeptAt[] = [];
    for (const groups of event.#reader.commitments) {
      const ref = event.#match[groups.ref];
      const earlier = event.#match[groups.seq];
      if (ref !== undefined) found.push({ ref, seq: earlier === undefined ? event.seq : Number(earlier) });
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
  let reader = previous.follower;
  let match = reader?.whole.exec(text) ?? null;
  if (match === null) {
    // A hint and no more: the expression says what the type is.
    const at = text.indexOf('"event":"') + 9;
    reader = readers.get(text.slice(at, text.indexOf('"', at)));
    match = reader === previous.follower ? null : (reader?.whole.exec(text) ?? null);
  }
  if (reader === undefined || match === null) return undefined;
  previous.follower = reader;
  previous = reader;
  return new UsualEvent(reader, match);
}

let parsedText = "null";
let parsedValue: JsonValue = null;

/** Grammar and state ask for the same one after the other. */
function parsed(text: string): JsonValue {
  if (text !== parsedText) {
    parsedValue = JSON.parse(text) as JsonValue;
    parsedText = text;
  }
  return parsedValue;
}

/** The commitments that such an event makes. */
export function usualCommitments(event: UsualEvent): readonly KeptAt[] {
  return UsualEvent.commitments(event);
}

/** No expression has so many groups. */
const absent = 1_000;

function readerOf(type: CoreEventType): Reader {
  const shape: Shape = shapeOf(type);
  // One layout for all types: reading a member looks the same for each.
  const groups = places.map(() => absent);
  const commitments: CommitmentGroups[] = [];
  let [pattern, begun, last] = ["", false, 0];
  // RFC 8785 sorts by UTF-16 code units, as `sort` does.
  for (const member of Object.keys(shape).sort()) {
    const check = shape[member];
    if (check?.usual === undefined || check.captured === undefined)
      throw new TypeError(`\`${member}\` of \`${type}\` has no usual spelling`);
    let value = check.usual;
    const place = places.indexOf(member);
    if (place >= 0) {
      value = check.captured;
      groups[place] = ++last;
    }
    // The comma goes with the member that may be absent: behind it up to the first that is always there.
    const part = `${begun ? "," : ""}"${member}":${value}${!begun && check.optional ? "," : ""}`;
    pattern += check.optional ? `(?:${part})?` : part;
    begun ||= !check.optional;
  }
  for (const member of Object.keys(shape).filter(isCommitment)) {
    const groupOf = (name: string): number => groups[places.indexOf(name)] ?? absent;
    commitments.push({ ref: groupOf(member), seq: groupOf(placeOfBytes(member)) });
  }
  return { type, whole: new RegExp(`^\\{${pattern}\\}$`), groups, commitments, follower: undefined };
}

const readers: ReadonlyMap<string, Reader> = new Map(types.map((type) => [type, readerOf(type)]));
let previous = readers.get("step_execution_requested") as Reader;
