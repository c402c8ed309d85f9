import { boundedText } from "../../model/bounded-text.js";
import type { EffectFailedError } from "../../model/errors.js";
import type { JsonObject } from "../../model/json.js";
import type { OwnFiles } from "../mapping/own-files.js";
import type { GuardedCall, GuardedCalls } from "./guarded-calls.js";
import type { ListParts } from "./lists.js";
import type { Upstream } from "./upstream.js";

/** What answers the requests of one client. */
export interface RequestParts extends ListParts {
  readonly calls: GuardedCalls;
  readonly ownFiles: OwnFiles;
}

/** What is known of a request beside its message, in the revision in which it says so itself. */
export interface RequestFacts {
  /** What its client said of itself with it; `{}` where it said so once, when its session began. */
  readonly envelope: JsonObject;
  /** Capabilities that what it brings along takes. */
  readonly implies?: readonly string[];
  /** What it is to be refused for before all policy: a sentence that its agent may see. */
  readonly refused?: string;
  /** It goes on with something that this server began. */
  readonly server?: string;
  /** `Mcp-Param-…` headers that it came with, by their name in lower case; undefined: not over HTTP. */
  readonly headers?: ReadonlyMap<string, string>;
  /** Its method means nothing in its revision, whatever it means in another. */
  readonly isUnknown?: boolean;
}

/** A request as it is put to the guard: which server it means, and what it is to be refused for before all policy. */
export interface Understood {
  readonly upstream: Upstream | undefined;
  readonly action: GuardedCall["action"];
  /** With names as the server knows them. */
  readonly about: JsonObject;
  /** Of the action, `server`, `implies` and `refused` aside. */
  readonly params: JsonObject;
  readonly implies?: readonly string[];
  /** A sentence about the request itself, which its agent may see. */
  readonly refused?: string;
  /** It is refused since a header of it says other than the message. */
  readonly isMismatch?: boolean;
  /** That say the same as the message, for a server over HTTP. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Why it cannot be sent, whatever the guard says. */
  readonly unavailable?: EffectFailedError;
  /** For the agent: `the tool read_file`. */
  readonly what: string;
}

export interface Named {
  readonly upstream: Upstream | undefined;
  readonly name: string;
  readonly about: JsonObject;
}

/** Which server a name means, and the parameters with the name as that server knows it. */
export function named({ naming, upstreams }: RequestParts, params: JsonObject): Named {
  const { name } = params;
  const meant = typeof name === "string" ? naming.meant(name) : undefined;
  if (meant === undefined)
    return { upstream: undefined, name: typeof name === "string" ? name : "", about: params };
  const upstream = upstreams.find((each) => each.name === meant.server.name);
  return { upstream, name: meant.name, about: { ...params, name: meant.name } };
}

/** The server that a resource is read from. */
export function ownerOf({ naming, owners, upstreams }: RequestParts, uri: unknown): Upstream | undefined {
  if (!naming.isPrefixed) return upstreams[0];
  const owner = typeof uri === "string" ? owners.of(uri) : undefined;
  return upstreams.find((each) => each.name === owner);
}

export function without(params: JsonObject, member: string): JsonObject {
  return Object.fromEntries(Object.entries(params).filter(([name]) => name !== member));
}

export function moreOf(more: JsonObject): { readonly more?: JsonObject } {
  return Object.keys(more).length === 0 ? {} : { more };
}

/** A name that an agent wrote, given back to it: one line, and not much of it. */
export function shown(name: unknown): string {
  return typeof name === "string" ? JSON.stringify(boundedText(name, 100)) : "(without a name)";
}
