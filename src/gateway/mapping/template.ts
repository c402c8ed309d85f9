import { capability, parseRequirement } from "../../model/capability/index.js";
import { SynapseError } from "../../model/errors.js";
import type { JsonObject, JsonValue } from "../../model/json.js";

/**
 * A capability that a tool's arguments stand for: `fs:read:{path}`, `fs:list:{path}/**`, `crm:update:accounts/{id}`,
 * `net:http:GET {url}`. `{server}` is the server's name.
 */
export interface CapabilityTemplate {
  readonly text: string;
  readonly domain: string;
  readonly action: string;
  /** `GET` of `GET {url}`; net only. */
  readonly method: string | undefined;
  readonly segments: readonly Segment[];
  /** Ends in a segment `**`: everything below it, too. */
  readonly below: boolean;
}

type Segment = { readonly literal: string } | { readonly argument: string };

const head = /^([a-z][a-z0-9_-]*):([a-z][a-z0-9_-]*)(?::(.+))?$/s;
const placeholder = /^\{([A-Za-z_][A-Za-z0-9_]*)\}$/;

/** @throws SynapseError `invalid_template` */
export function parseTemplate(text: string): CapabilityTemplate {
  const [, domain = "", action = "", resource] =
    head.exec(text) ?? invalid(text, "it is not domain:action:resource");
  const below = resource?.endsWith("/**") === true;
  const body = below ? resource.slice(0, -3) : resource;
  const [method, rest] = domain === "net" && body !== undefined ? methodOf(body) : [undefined, body];
  const segments = rest === undefined ? [] : rest.split("/").map((segment) => segmentOf(segment, text));
  const literals = segments.filter((segment) => "literal" in segment);
  if (["fs", "net", "os"].includes(domain) && (segments.length > 1 || literals.length > 0))
    invalid(text, `a resource of \`${domain}\` is one placeholder: {argument}`);
  return Object.freeze({ text, domain, action, method, segments: Object.freeze(segments), below });
}

/** Which arguments it takes, `{server}` aside. */
export function argumentsOf({ segments }: CapabilityTemplate): readonly string[] {
  return segments.flatMap((segment) =>
    "argument" in segment && segment.argument !== "server" ? [segment.argument] : [],
  );
}

/**
 * Canonical capability texts: one, or one for each combination where an argument is a list. Data enters only through
 * `capability()`, which escapes (SEMANTICS C7).
 *
 * @throws CapabilitySyntaxError for a value that no capability can name; SynapseError `invalid_argument`.
 */
export function fillTemplate(template: CapabilityTemplate, values: JsonObject): readonly string[] {
  const { domain, action, method, segments, below } = template;
  if (segments.length === 0) return [capability(domain, action)];
  return combinations(segments, values).map((literals) => {
    const named =
      domain === "net" && method !== undefined
        ? capability(domain, action, method, ...literals)
        : capability(domain, action, ...literals);
    return below ? parseRequirement(named.endsWith("/") ? `${named}**` : `${named}/**`).text : named;
  });
}

/** The widest that it can come to, for asking whether a tool could be called at all. */
export function widestOf({ domain, action }: CapabilityTemplate): string {
  return capability(domain, action);
}

function combinations(segments: readonly Segment[], values: JsonObject): string[][] {
  let made: string[][] = [[]];
  for (const segment of segments) {
    const options =
      "literal" in segment ? [segment.literal] : textsOf(segment.argument, values[segment.argument]);
    made = made.flatMap((before) => options.map((option) => [...before, option]));
  }
  return made;
}

function textsOf(name: string, value: JsonValue | undefined): readonly string[] {
  const list: readonly (JsonValue | undefined)[] = Array.isArray(value) ? value : [value];
  if (list.length > 0 && list.every((each): each is string => typeof each === "string" && each !== ""))
    return list;
  throw new SynapseError("invalid_argument", `the argument \`${name}\` has to be text that is not empty`);
}

function methodOf(body: string): readonly [string | undefined, string] {
  const found = /^([A-Z]+) (.+)$/s.exec(body);
  return found === null ? [undefined, body] : [found[1], found[2] ?? ""];
}

function segmentOf(segment: string, text: string): Segment {
  const argument = placeholder.exec(segment)?.[1];
  if (argument !== undefined) return { argument };
  if (segment === "" || /[{}*\\]/.test(segment))
    invalid(text, "a segment is plain text, or one placeholder: {argument}; only the last one may be `**`");
  return { literal: segment };
}

function invalid(text: string, why: string): never {
  throw new SynapseError(
    "invalid_template",
    `\`${text.slice(0, 200)}\` is no template of a capability: ${why}`,
    {
      hint: "for example fs:read:{path}, fs:list:{path}/**, net:http:GET {url}",
    },
  );
}
