import { type ConfigText, rawValue } from "./config-text.js";
import type { ServerShape } from "./server-shape.js";
import { insertFirst, replaceKey, replaceValue, separatorBeside, type TextEdit } from "./text-edit.js";
import { headerSeparator, headerVariable, urlVariable } from "./wrapped-environment.js";
import { type Wrapper, wrapperWords } from "./wrapper-words.js";

/** How Synapse is started and for whom, the same for every server of one `wrap`. */
export type WrapperTemplate = Omit<Wrapper, "before" | "server">;

/**
 * The server's own command, arguments, address and headers are moved as they are written, escapes and
 * placeholders included, so that the client still fills in its variables and `unwrap` gives back the same bytes.
 */
export function wrapEntry(
  config: ConfigText,
  name: string,
  shape: Extract<ServerShape, { kind: "stdio" | "url" }>,
  template: WrapperTemplate,
): readonly TextEdit[] {
  return shape.kind === "stdio"
    ? wrapLocal(config, name, shape, template)
    : wrapRemote(config, name, shape, template);
}

/** Makes an entry that was wrapped before start Synapse as `template` does, and changes nothing else. */
export function relaunch(
  config: ConfigText,
  { wrapper, command, args }: Extract<ServerShape, { kind: "wrapped" }>,
  { launcher }: WrapperTemplate,
): readonly TextEdit[] {
  const [program = "", ...launcherWords] = launcher;
  const edits = [replaceValue(command, JSON.stringify(program))];
  const gateway = args.parts?.[wrapper.launcher.length - 1];
  const [first] = args.parts ?? [];
  if (gateway === undefined || first === undefined) throw new TypeError("a wrapper has its words in `args`");
  const separator = separatorBeside(config, first);
  const text = launcherWords.map((word) => JSON.stringify(word) + separator).join("");
  return [...edits, { start: first.start, end: gateway.start, text }];
}

function wrapLocal(
  config: ConfigText,
  server: string,
  { command, args }: Extract<ServerShape, { kind: "stdio" }>,
  template: WrapperTemplate,
): readonly TextEdit[] {
  const before = { kind: "stdio", hadArgs: args !== undefined } as const;
  const [program, words] = literals({ ...template, before, server });
  const own = [...words, rawValue(config, command)];
  if (args !== undefined) return [replaceValue(command, program), insertFirst(config, args, own)];
  const member = `${separatorBeside(config, command)}"args": [${own.join(", ")}]`;
  return [replaceValue(command, program + member)];
}

function wrapRemote(
  config: ConfigText,
  server: string,
  { urlKey, url, type, headers }: Extract<ServerShape, { kind: "url" }>,
  template: WrapperTemplate,
): readonly TextEdit[] {
  const before = { kind: "url", urlKey, type: type?.string, hadHeaders: headers !== undefined } as const;
  const [program, words] = literals({ ...template, before, server });
  const separator = separatorBeside(config, url);
  const address = `${JSON.stringify(urlVariable)}: ${rawValue(config, url)}`;
  const members = [program, `"args": [${words.join(", ")}]`];
  if (headers === undefined) members.push(`"env": { ${address} }`);
  const edits = [replaceKey(url, "command"), replaceValue(url, members.join(separator))];
  if (type !== undefined) edits.push(replaceValue(type, JSON.stringify("stdio")));
  if (headers === undefined) return edits;
  edits.push(replaceKey(headers, "env"), insertFirst(config, headers, [address]));
  (headers.parts ?? []).forEach((header, index) => {
    const value = `"${header.key}${headerSeparator}${rawValue(config, header).slice(1)}`;
    edits.push(replaceKey(header, headerVariable(index + 1)), replaceValue(header, value));
  });
  return edits;
}

/** The program, and the words behind it, as JSON texts. */
function literals(wrapper: Wrapper): readonly [program: string, words: readonly string[]] {
  const [program = "", ...words] = wrapperWords(wrapper).map((word) => JSON.stringify(word));
  return [program, words];
}
