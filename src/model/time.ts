import { SynapseError } from "./errors.js";

const unitMs: ReadonlyMap<string, number> = new Map([
  ["w", 604_800_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
]);
const unitOrder = [...unitMs.keys()];

/**
 * A duration in milliseconds: `500ms`, `45s`, `15m`, `12h`, `30d`, `2w`, or a sequence from the largest unit
 * to the smallest, each at most once: `1h30m`. Whole numbers without a sign, a space or a leading zero.
 *
 * @throws SynapseError `invalid_duration`
 */
export function parseDuration(text: string): number {
  if (typeof text !== "string" || text.length > 64) throw invalidDuration(text);
  const part = /(0|[1-9][0-9]{0,15})(ms|[wdhms])/y;
  let total = 0;
  let largestAllowed = 0;
  let end = 0;
  while (end < text.length || end === 0) {
    const match = part.exec(text);
    if (match === null) throw invalidDuration(text);
    const unit = match[2] ?? "";
    // `1m1h` and `1h1h` are typing errors more often than they are meant.
    if (unitOrder.indexOf(unit) < largestAllowed) throw invalidDuration(text);
    largestAllowed = unitOrder.indexOf(unit) + 1;
    total += Number(match[1]) * (unitMs.get(unit) ?? Number.NaN);
    end = part.lastIndex;
  }
  if (!Number.isSafeInteger(total)) throw invalidDuration(text);
  return total;
}

/** An instant as RFC 3339 in UTC with milliseconds: `2026-11-22T09:30:00.000Z`. `ms` counts from the Unix epoch. */
export function formatInstant(ms: number): string {
  if (!Number.isInteger(ms) || ms < earliestMs || ms > latestMs) {
    throw new TypeError(`\`${ms}\` is not a whole number of milliseconds between the years 0000 and 9999`);
  }
  return new Date(ms).toISOString();
}

/**
 * An instant that the log holds, in milliseconds since the Unix epoch. Nearly all were written by `formatInstant` and
 * are read digit by digit, since there may be millions; other spellings are read as `Date.parse` reads them.
 *
 * @returns NaN for a text that is no time: nothing is allowed by that.
 */
export function instantMs(text: string): number {
  const ms = usualInstantMs(text);
  return Number.isNaN(ms) ? Date.parse(text) : ms;
}

/** Of what `formatInstant` writes; NaN for all else, and for a few of its texts: before 1970, and the end of a month. */
function usualInstantMs(text: string): number {
  const year = digitsAt(text, 0, 4);
  const month = digitsAt(text, 5, 2);
  const day = digitsAt(text, 8, 2);
  const hour = digitsAt(text, 11, 2);
  const minute = digitsAt(text, 14, 2);
  const second = digitsAt(text, 17, 2);
  const milliseconds = digitsAt(text, 20, 3);
  const isOurs =
    text.length === 24 &&
    text[4] === "-" &&
    text[7] === "-" &&
    text[10] === "T" &&
    text[13] === ":" &&
    text[16] === ":" &&
    text[19] === "." &&
    text[23] === "Z" &&
    // What is no number (NaN) is neither more nor less.
    year >= 1970 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 28 &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59 &&
    milliseconds >= 0;
  if (!isOurs) return Number.NaN;
  return (
    (((daysSinceEpoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + milliseconds
  );
}

/** NaN when one of them is no digit. */
function digitsAt(text: string, start: number, count: number): number {
  let number = 0;
  for (let at = start; at < start + count; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

/** In the Gregorian calendar, of which four centuries have 146,097 days; a year begins in March, so that leap days end it. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

const earliestMs = Date.parse("0000-01-01T00:00:00.000Z");
const latestMs = Date.parse("9999-12-31T23:59:59.999Z");

const instantPattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))$/;

/**
 * An RFC 3339 date-time as milliseconds since the Unix epoch. A zone is required, the date must exist, and
 * fractions finer than a millisecond are cut. Leap seconds (`:60`) are refused, since Unix time has none.
 *
 * @throws SynapseError `invalid_time`
 */
export function parseInstant(text: string): number {
  const usual = typeof text === "string" ? usualInstantMs(text) : Number.NaN;
  if (!Number.isNaN(usual)) return usual;
  const match = typeof text === "string" && text.length <= 40 ? instantPattern.exec(text) : null;
  if (match === null) throw invalidTime(text);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Fields;
  const offsetHours = Number(match[10] ?? 0);
  const offsetMinutes = Number(match[11] ?? 0);
  const exists =
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59;
  if (!exists || offsetHours > 23 || offsetMinutes > 59) throw invalidTime(text);
  const milliseconds = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"));
  // Date.UTC reads the years 0 to 99 as 1900 to 1999, setUTCFullYear does not.
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  local.setUTCHours(hour, minute, second, milliseconds);
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000;
  const ms = match[9] === "-" ? local.getTime() + offsetMs : local.getTime() - offsetMs;
  if (ms < earliestMs || ms > latestMs) throw invalidTime(text);
  return ms;
}

/**
 * When something ends, in milliseconds since the Unix epoch: an RFC 3339 date-time, or a duration that counts
 * from `createdAtMs`.
 *
 * @throws SynapseError `invalid_time` when the text is neither, or the sum leaves the calendar.
 */
export function parseExpiry(text: string, createdAtMs: number): number {
  if (typeof text === "string" && /^[0-9]+[a-z]/.test(text)) {
    const ms = createdAtMs + parseDuration(text);
    if (ms <= latestMs) return ms;
  }
  return parseInstant(text);
}

type Fields = [number, number, number, number, number, number];

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function shown(text: unknown): string {
  const known = typeof text === "string" ? text : typeof text;
  return known.length > 64 ? `${known.slice(0, 64)}…` : known;
}

function invalidDuration(text: unknown): SynapseError {
  return new SynapseError("invalid_duration", `\`${shown(text)}\` is not a duration`, {
    hint: "durations look like 500ms, 45s, 15m, 12h, 30d, 2w or 1h30m",
  });
}

function invalidTime(text: unknown): SynapseError {
  return new SynapseError("invalid_time", `\`${shown(text)}\` is not an RFC 3339 date and time with a zone`, {
    hint: "for example 2026-11-22T09:30:00Z",
  });
}
