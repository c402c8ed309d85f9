import { InvalidArgumentError } from "commander";
import { nodeCrypto } from "../core/node-crypto.js";
import { EvidenceError, SynapseError } from "../model/errors.js";
import { isAgentGlob, isIdentifier } from "../model/identifier.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json.js";
import { parseDuration, parseInstant } from "../model/time.js";
import { parseVerifierKey, type VerifierKey } from "../model/proof/verifier-key.js";

/*
 * Readers of option values. Each gives the value or says what it must be; commander names the option. They
 * stand before everything else, so that a typing error has recorded nothing and made no database.
 */

/** A whole number in decimal digits, at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = /^-?(0|[1-9][0-9]*)$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min) return value;
    const bound = min === Number.MIN_SAFE_INTEGER ? "" : ` that is at least ${min}`;
    throw new InvalidArgumentError(`it must be a whole number${bound}`);
  };
}

export function agentId(text: string): string {
  if (isIdentifier(text)) return text;
  throw new InvalidArgumentError(
    "an agent id begins with a letter or digit and holds only those and . _ @ : -",
  );
}

export function agentGlob(text: string): string {
  if (isAgentGlob(text)) return text;
  throw new InvalidArgumentError(
    "it must be an agent id, or a pattern of ids in which * stands for anything",
  );
}

/** Who does it, as it will stand in the log. */
export function actor(text: string): string {
  if (text !== "" && text.length <= 256 && text.isWellFormed()) return text;
  throw new InvalidArgumentError("it must say who does this, in 1 to 256 characters");
}

export function notEmpty(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("it must not be empty");
}

export function jsonObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new InvalidArgumentError(
      `it is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (isJsonObject(value)) return value;
  throw new InvalidArgumentError('it must be a JSON object, such as {"max_uses": 3}');
}

/** One `name=value` more; what the value may be is for the workflow to say. */
export function nameAndValue(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("it must be name=value");
  const name = text.slice(0, at);
  if (before.has(name)) throw new InvalidArgumentError(`${name} is given twice`);
  return new Map([...before, [name, text.slice(at + 1)]]);
}

/** A verifier key, `name+keyid+base64`. */
export function verifierKeyText(text: string): VerifierKey {
  try {
    return parseVerifierKey(nodeCrypto.sha256, text);
  } catch (error) {
    if (!(error instanceof EvidenceError)) throw error;
    throw new InvalidArgumentError(error.message);
  }
}

/** What a token is for. The URL is compared character by character, so it is taken as it is written. */
export function audience(text: string): string {
  const is = /^https?:\/\/[^\s#]+$/.test(text) && URL.canParse(text) && text.length <= 1_024;
  if (is) return text;
  throw new InvalidArgumentError("it must be the gateway's http or https URL, without a fragment");
}

/** A commitment as it stands in events. */
export function commitment(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError(
    "it must be 64 hex digits, as the members of events that end in _commitment are",
  );
}

/** One step id more. */
export function stepIds(text: string, before: readonly string[] = []): readonly string[] {
  if (!isIdentifier(text)) throw new InvalidArgumentError("it must be the id of a step");
  if (before.includes(text)) throw new InvalidArgumentError(`${text} is given twice`);
  return [...before, text];
}

/** The id of an event, or of a request. */
export function eventId(text: string): string {
  if (/^[A-Za-z0-9_-]{1,128}$/.test(text)) return text;
  throw new InvalidArgumentError("it must be the id of an event, as `synapse audit list --json` shows it");
}

/** RFC 3339, in ms since the epoch. */
export function instant(text: string): number {
  return told(() => parseInstant(text));
}

/** RFC 3339 in ms since the epoch, or `agoMs`. */
export function instantOrAgo(text: string): Moment {
  return told(() =>
    /^[0-9]+[a-z]/.test(text) ? { agoMs: parseDuration(text) } : { atMs: parseInstant(text) },
  );
}

/** A moment as a person says it. */
export type Moment = { readonly agoMs: number } | { readonly atMs: number };

/** What the reader of a value says is wrong, as commander wants it. */
function told<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SynapseError)) throw error;
    throw new InvalidArgumentError(error.message);
  }
}

/** Where to listen: a name or an address, and a port. */
export interface ListenAddress {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

export function listenAddress(text: string): ListenAddress {
  const [, host = "", port = ""] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535)
    throw new InvalidArgumentError("it must be an address and a port, such as 127.0.0.1:8808");
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** One host name more, as it stands in `Host`, without a port. */
export function hostName(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)$/.test(text))
    throw new InvalidArgumentError("it must be a host name without a port");
  return [...before, text.toLowerCase()];
}

/** One origin more, as browsers write it. */
export function pageOrigin(text: string, before: readonly string[] = []): readonly string[] {
  if (!URL.canParse(text) || new URL(text).origin !== text || text === "null")
    throw new InvalidArgumentError("it must be an origin, such as https://app.example");
  return [...before, text];
}
