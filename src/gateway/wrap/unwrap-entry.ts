import { type ConfigText, memberOf, type Part, rawValue, readConfigText } from "./config-text.js";
import { type ServerShape, shapeOf } from "./server-shape.js";
import {
  applyEdits,
  removeLeading,
  removeMember,
  replaceKey,
  replaceValue,
  type TextEdit,
} from "./text-edit.js";
import {
  headerSeparator,
  headerVariable,
  headerVariablePrefix,
  isHeaderName,
  urlVariable,
} from "./wrapped-environment.js";
import type { Before } from "./wrapper-words.js";

/** An entry as it is to be written, or why it has to stay as it is. */
export type Unwrapped = { readonly text: string } | { readonly why: string };

/**
 * Takes the wrapper off one entry. Everything else in it stays, with what was changed since; an entry that was
 * not changed comes back byte for byte.
 */
export function unwrapEntry(config: ConfigText, name: string, entry: Part): Unwrapped {
  // Alone, since its parts are removed one after the other and each removal moves the rest.
  const steps = new EntryText(rawValue(config, entry), config.file, name);
  const { before } = steps.wrapped.wrapper;
  return before.kind === "stdio" ? unwrapLocal(steps, before.hadArgs) : unwrapRemote(steps, before);
}

function unwrapLocal(steps: EntryText, hadArgs: boolean): Unwrapped {
  const { config, wrapped } = steps;
  const { command, args, own } = wrapped;
  const original = args.parts?.[own];
  if (original === undefined) throw new TypeError("a wrapped command stands behind the wrapper's words");
  const back = replaceValue(command, rawValue(config, original));
  const others = (args.parts?.length ?? 0) - own - 1;
  const rest =
    hadArgs || others > 0 ? [removeLeading(config, args, own + 1)] : removeMember(config, config.root, args);
  return { text: applyEdits(config.text, [back, ...rest]) };
}

function unwrapRemote(steps: EntryText, before: Extract<Before, { kind: "url" }>): Unwrapped {
  const env = memberOf(steps.config, steps.config.root, "env");
  const url = memberOf(steps.config, env, urlVariable);
  if (env === undefined || url?.string === undefined)
    return { why: `\`${urlVariable}\` is gone from its \`env\`` };
  const headers = (env.parts ?? []).filter(({ key }) => key !== urlVariable);
  if (before.hadHeaders) {
    const strange = headers.find((header) => headerNameOf(header) === undefined);
    if (strange !== undefined) return { why: `its \`env\` holds \`${strange.key}\`, which is no header` };
  }
  const address = rawValue(steps.config, url);
  if (before.hadHeaders || headers.length > 0)
    steps.edit((config) => removeMember(config, ...inEnv(config, urlVariable)));
  else steps.edit((config) => removeMember(config, config.root, member(config, "env")));
  if (before.hadHeaders) steps.edit(headersBack);
  steps.edit((config) => removeMember(config, config.root, member(config, "args")));
  steps.edit((config) => {
    const command = member(config, "command");
    return [replaceKey(command, before.urlKey), replaceValue(command, address)];
  });
  if (before.type !== undefined && memberOf(steps.config, steps.config.root, "type")?.string === "stdio") {
    const { type } = before;
    steps.edit((config) => [replaceValue(member(config, "type"), JSON.stringify(type))]);
  }
  return { text: steps.config.text };
}

function headersBack(config: ConfigText): readonly TextEdit[] {
  const env = member(config, "env");
  const headers = (env.parts ?? []).flatMap((header) => {
    const name = headerNameOf(header) ?? "";
    const value = rawValue(config, header).slice(1 + name.length + headerSeparator.length);
    return [replaceKey(header, name), replaceValue(header, `"${value}`)];
  });
  return [replaceKey(env, "headers"), ...headers];
}

/** Of `"SYNAPSE_MCP_HEADER_1": "Name: value"`. */
function headerNameOf({ key, string }: Part): string | undefined {
  const number = Number(key.slice(headerVariablePrefix.length));
  const name = string?.split(headerSeparator, 1)[0];
  if (key !== headerVariable(number) || name === undefined || name === string) return undefined;
  return isHeaderName(name) ? name : undefined;
}

function inEnv(config: ConfigText, key: string): [container: Part, member: Part] {
  const env = member(config, "env");
  const found = memberOf(config, env, key);
  if (found === undefined) throw new TypeError(`there is no \`${key}\``);
  return [env, found];
}

function member(config: ConfigText, key: string): Part {
  const found = memberOf(config, config.root, key);
  if (found === undefined) throw new TypeError(`there is no \`${key}\``);
  return found;
}

/** The text of one entry between the steps that change it. */
class EntryText {
  #config: ConfigText;
  /** As it was at first. */
  readonly wrapped: Extract<ServerShape, { kind: "wrapped" }>;

  constructor(text: string, file: string, name: string) {
    this.#config = readConfigText(text, file);
    const shape = shapeOf(this.#config, name, this.#config.root);
    if (shape.kind !== "wrapped") throw new TypeError("the entry is not wrapped");
    this.wrapped = shape;
  }

  get config(): ConfigText {
    return this.#config;
  }

  edit(step: (config: ConfigText) => readonly TextEdit[]): void {
    const { text, file } = this.#config;
    this.#config = readConfigText(applyEdits(text, step(this.#config)), file);
  }
}
