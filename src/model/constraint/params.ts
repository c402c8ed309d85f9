import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { RE2JS } from "re2js";
import { canonicalJson } from "../canonical.js";
import { InvalidConstraintError } from "../errors.js";
import { isJsonArray, isJsonObject, type JsonValue } from "../json.js";

/** Answers what is wrong with the parameters, or undefined when they fit. */
export type ParamsCheck = (params: JsonValue) => string | undefined;

const cacheMax = 1_000;
const cache = new Map<string, ParamsCheck>();

/**
 * Compiles a JSON Schema (2020-12) for parameters. Patterns run on RE2 in linear time (K1): a schema must
 * not become a way to stall the guard. References stay inside the schema.
 *
 * @throws InvalidConstraintError when the schema is not valid, refers outside, or holds a pattern RE2 refuses.
 */
export function compileParams(schema: JsonValue): ParamsCheck {
  const text = textOf(schema);
  const known = cache.get(text);
  if (known !== undefined) return known;
  const check = compile(schema);
  if (cache.size >= cacheMax) cache.delete(cache.keys().next().value as string);
  cache.set(text, check);
  return check;
}

/** Of schemas that links hold, which are frozen: to write one out costs more than to ask it. */
const texts = new WeakMap<object, string>();

function textOf(schema: JsonValue): string {
  if (typeof schema !== "object" || schema === null || !Object.isFrozen(schema)) return canonicalJson(schema);
  let text = texts.get(schema);
  if (text === undefined) {
    text = canonicalJson(schema);
    texts.set(schema, text);
  }
  return text;
}

function compile(schema: JsonValue): ParamsCheck {
  refuseForeignReferences(schema);
  const ajv = compiler();
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(schema as boolean | object);
  } catch (error) {
    throw new InvalidConstraintError("params", error instanceof Error ? error.message : String(error));
  } finally {
    // Nothing of one schema, its `$id` least of all, may be found by another.
    ajv.removeSchema();
  }
  return (params) => {
    if (validate(params) === true) return undefined;
    const first = validate.errors?.[0];
    const where = first?.instancePath ? `\`params${first.instancePath.replaceAll("/", ".")}\`` : "`params`";
    return `${where} ${first?.message ?? "does not fit the schema"}`;
  };
}

const compilationsMax = 1_000;
let shared: Ajv2020 | undefined;
let compilations = 0;

/**
 * One compiler for many schemas, since making one costs fifty times what compiling a schema does; a new one
 * now and then, since it keeps every pattern it ever saw.
 */
function compiler(): Ajv2020 {
  if (shared !== undefined && compilations++ < compilationsMax) return shared;
  compilations = 0;
  shared = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    allErrors: false,
    // A format that is not implemented would silently hold for everything; strict mode refuses it instead.
    validateFormats: true,
    // `required: ["toString"]` must not be met by what every object inherits.
    ownProperties: true,
    code: { regExp: linearRegExp },
  });
  return shared;
}

const linearRegExp = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern);
    return {
      test: (text: string) => compiled.matcher(text).find(),
      // Ajv keeps one pattern for each of these texts: without it all patterns of a schema would be the first.
      toString: () => pattern,
    };
  },
  { code: "linearRegExp" },
) as unknown as NonNullable<NonNullable<ConstructorParameters<typeof Ajv2020>[0]>["code"]>["regExp"] & object;

function refuseForeignReferences(schema: JsonValue): void {
  if (isJsonArray(schema)) return schema.forEach(refuseForeignReferences);
  if (!isJsonObject(schema)) return;
  for (const [key, value] of Object.entries(schema)) {
    if ((key === "$ref" || key === "$dynamicRef") && typeof value === "string" && !value.startsWith("#")) {
      throw new InvalidConstraintError("params", `\`${key}\` to \`${value}\` leads outside the schema`);
    }
    refuseForeignReferences(value);
  }
}

/** Whether a schema says anything about `args`: `{}` and `true` accept every argument and confine nothing (H6). */
export function mentionsArguments(schema: JsonValue): boolean {
  if (!isJsonObject(schema)) return schema === false;
  if ("const" in schema || "enum" in schema) return true;
  const { properties } = schema;
  if (isJsonObject(properties) && "args" in properties) {
    const { args } = properties;
    return args !== true && !(isJsonObject(args) && Object.keys(args).length === 0);
  }
  // Every alternative of a choice must confine; one conjunct is enough.
  const parts = (key: string): readonly JsonValue[] => (isJsonArray(schema[key]) ? schema[key] : []);
  const confines = (key: string): boolean => parts(key).length > 0 && parts(key).every(mentionsArguments);
  return parts("allOf").some(mentionsArguments) || confines("anyOf") || confines("oneOf");
}
