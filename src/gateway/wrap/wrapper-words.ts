import { isIdentifier } from "../../model/identifier.js";

/** How the entry looked before, as far as the wrapped form does not show it by itself. */
export type Before =
  | { readonly kind: "stdio"; readonly hadArgs: boolean }
  | {
      readonly kind: "url";
      readonly urlKey: UrlKey;
      /** The entry's `type`; undefined when it had none. */
      readonly type: string | undefined;
      readonly hadHeaders: boolean;
    };

/** What clients call the address of a remote server: most, Windsurf, Gemini CLI. */
export const urlKeys = ["url", "serverUrl", "httpUrl"] as const;
export type UrlKey = (typeof urlKeys)[number];

/** `synapse gateway` in front of one server, as it stands in a client's configuration. */
export interface Wrapper {
  /** What starts Synapse: a program, and its arguments up to `gateway`. */
  readonly launcher: readonly string[];
  readonly before: Before;
  readonly agent: string;
  readonly server: string;
  readonly db: string;
  readonly anchor: string | undefined;
}

/** Types of remote servers that are streamable HTTP. The older `sse` is another protocol. */
export const httpTypes: readonly string[] = ["http", "streamable-http", "streamableHttp"];

/**
 * The words in front of the server's own: `synapse gateway --wrapped NOTE --agent … --server … --db … --`. The
 * note is for `unwrap`. Remote servers have nothing behind `--`, and are found in the environment
 * (wrapped-server.ts).
 */
export function wrapperWords({ launcher, before, agent, server, db, anchor }: Wrapper): readonly string[] {
  const options = ["--wrapped", noteOf(before), "--agent", agent, "--server", server, "--db", db];
  if (anchor !== undefined) options.push("--anchor", anchor);
  return [...launcher, "gateway", ...options, "--"];
}

/** The wrapper in front of a command, and how many words it takes; undefined when `wrap` did not write it. */
export function readWrapper(
  words: readonly string[],
): { readonly wrapper: Wrapper; readonly length: number } | undefined {
  const at = words.findIndex((word, index) => word === "gateway" && words[index + 1] === "--wrapped");
  if (at < 1) return undefined;
  const [note, agentOption, agent, serverOption, server, dbOption, db, ...rest] = words.slice(at + 2);
  if (agentOption !== "--agent" || serverOption !== "--server" || dbOption !== "--db") return undefined;
  if (!isIdentifier(agent) || server === undefined || db === undefined) return undefined;
  const anchor = rest[0] === "--anchor" ? rest[1] : undefined;
  const length = at + 9 + (anchor === undefined ? 0 : 2);
  if (words[length] !== "--") return undefined;
  const before = readNote(note ?? "");
  if (before === undefined) return undefined;
  const wrapper = { launcher: words.slice(0, at), before, agent, server, db, anchor };
  return { wrapper: Object.freeze(wrapper), length: length + 1 };
}

function noteOf(before: Before): string {
  if (before.kind === "stdio") return before.hadArgs ? "stdio" : "stdio,no-args";
  const { urlKey, type, hadHeaders } = before;
  return [urlKey, ...(type === undefined ? [] : [`type=${type}`]), ...(hadHeaders ? ["headers"] : [])].join(
    ",",
  );
}

function readNote(note: string): Before | undefined {
  const [first, ...facts] = note.split(",");
  const urlKey = urlKeys.find((key) => key === first);
  const types = facts.filter((fact) => fact.startsWith("type=")).map((fact) => fact.slice("type=".length));
  const before: Before =
    urlKey === undefined
      ? { kind: "stdio", hadArgs: !facts.includes("no-args") }
      : { kind: "url", urlKey, type: types[0], hadHeaders: facts.includes("headers") };
  // What cannot be written again word for word is not one of ours.
  return noteOf(before) === note ? Object.freeze(before) : undefined;
}
