import { CapabilitySyntaxError, SynapseError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import type { OwnFiles } from "./own-files.js";
import { placesOf } from "./local-path.js";
import { argumentsOf, type CapabilityTemplate, fillTemplate } from "./template.js";

/** How the arguments of one server's tools are understood. */
export interface Mapping {
  readonly server: string;
  /** By tool; a tool without templates implies nothing. */
  readonly templates: ReadonlyMap<string, readonly CapabilityTemplate[]>;
  /** The same for its prompts. */
  readonly prompts: ReadonlyMap<string, readonly CapabilityTemplate[]>;
  /** Arguments that its command lines hold: what looks like an option there is refused. */
  readonly commandArguments: readonly string[];
  /** Whether its paths are paths of this machine, and how it treats `..`; undefined: they are of another one. */
  readonly paths: "lexical" | "refused" | undefined;
}

/** What a call implies, or why that cannot be told: then it is denied. */
export type Implied =
  | { readonly capabilities: readonly string[] }
  /** One sentence that an agent may see: it tells of its own arguments alone. */
  | { readonly refused: string };

/**
 * The capabilities that a call's arguments stand for.
 *
 * @param own files that are refused whatever is granted.
 * @param schema the tool's `inputSchema`: a server fills in defaults, so they count as if they had been written.
 */
export async function impliedBy(
  mapping: Mapping,
  tool: string,
  args: JsonObject,
  schema: JsonValue | undefined,
  own: OwnFiles,
): Promise<Implied> {
  const templates = mapping.templates.get(tool) ?? [];
  const capabilities = new Set<string>();
  try {
    for (const name of mapping.commandArguments) assertNoOption(name, args[name]);
    for (const template of templates) {
      const values = { ...valuesOf(template, args, schema), server: mapping.server };
      const filled = template.domain === "fs" ? await resolved(template, values, mapping, own) : values;
      for (const text of fillTemplate(template, filled)) capabilities.add(text);
    }
    return { capabilities: [...capabilities] };
  } catch (error) {
    if (error instanceof CapabilitySyntaxError)
      return {
        refused: `an argument cannot be named by a capability: found ${error.found}, expected ${error.expected}`,
      };
    if (error instanceof SynapseError) return { refused: error.message };
    throw error;
  }
}

function assertNoOption(name: string, value: JsonValue | undefined): void {
  const texts: readonly (JsonValue | undefined)[] = Array.isArray(value) ? value : [value];
  if (texts.some((text) => typeof text === "string" && text.trimStart().startsWith("-")))
    throw new SynapseError("invalid_argument", `the argument \`${name}\` must not begin with \`-\``);
}

function valuesOf(template: CapabilityTemplate, args: JsonObject, schema: JsonValue | undefined): JsonObject {
  const values: { [name: string]: JsonValue } = {};
  for (const name of argumentsOf(template)) {
    const value = Object.hasOwn(args, name) ? args[name] : defaultOf(schema, name);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

function defaultOf(schema: JsonValue | undefined, name: string): JsonValue | undefined {
  const properties = isJsonObject(schema) ? schema["properties"] : undefined;
  const property = isJsonObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  return isJsonObject(property) ? property["default"] : undefined;
}

async function resolved(
  template: CapabilityTemplate,
  values: JsonObject,
  { paths }: Mapping,
  own: OwnFiles,
): Promise<JsonObject> {
  const all: { [name: string]: JsonValue } = { ...values };
  for (const name of argumentsOf(template)) {
    const value = values[name];
    const list: readonly (JsonValue | undefined)[] = Array.isArray(value) ? value : [value];
    const places: string[] = [];
    for (const path of list) {
      if (typeof path !== "string")
        throw new SynapseError("invalid_argument", `the argument \`${name}\` has to be a path`);
      places.push(
        ...(paths === undefined ? [path] : await assertForeign(await placesOf(path, paths), template, own)),
      );
    }
    all[name] = places;
  }
  return all;
}

/** @throws SynapseError `own_file` for what holds the gateway's own authority, however much an agent was granted. */
async function assertForeign(
  places: readonly string[],
  { action, below }: CapabilityTemplate,
  own: OwnFiles,
): Promise<readonly string[]> {
  for (const place of places) {
    // A folder that goes away takes with it what is in it.
    const takesAlong = below && action === "delete" && own.isAbove(place);
    if (takesAlong || (await own.isOwn(place)))
      throw new SynapseError("own_file", "the path is one that no agent may reach");
  }
  return places;
}
