import { NotFoundError } from "../../model/errors.js";
import { type ConfigText, readConfigText } from "./config-text.js";
import { findServers, type FoundServer } from "./find-servers.js";
import { shapeOf } from "./server-shape.js";
import { applyEdits, replaceValue, type TextEdit } from "./text-edit.js";
import { unwrapEntry } from "./unwrap-entry.js";
import { relaunch, wrapEntry, type WrapperTemplate } from "./wrap-entry.js";

/**
 * What was done with one server.
 *
 * | status | meaning |
 * |---|---|
 * | `wrapped` | it goes through the gateway now |
 * | `relaunched` | it did before, and now starts this Synapse |
 * | `already_wrapped` | it did before, and nothing had to change |
 * | `unwrapped` | it is as it was before `wrap` |
 * | `not_wrapped` | there was nothing to take off |
 * | `left_alone` | it could not be changed; `why` says what is in the way |
 */
export interface ServerOutcome {
  readonly name: string;
  readonly path: readonly string[];
  readonly status: "wrapped" | "relaunched" | "already_wrapped" | "unwrapped" | "not_wrapped" | "left_alone";
  readonly why: string | undefined;
  /** The entry's command line before and after, when it changed; of a remote server only what is no secret. */
  readonly change: { readonly from: readonly string[]; readonly to: readonly string[] } | undefined;
}

export interface Rewritten {
  readonly text: string;
  readonly servers: readonly ServerOutcome[];
}

type Change = Pick<ServerOutcome, "status"> & { readonly why?: string; readonly edits?: readonly TextEdit[] };

/**
 * Puts the gateway in front of every server. Doing it twice is the same as doing it once: a server that goes
 * through the gateway keeps its agent and database, and only starts this Synapse if it started another one.
 *
 * @param text the client's configuration, without a byte order mark.
 * @param file its name, for errors.
 * @param only names of servers; undefined for all.
 * @throws DocumentError `invalid_client_config`; NotFoundError for a name in `only` that no server has.
 */
export function wrapConfig(
  text: string,
  file: string,
  template: WrapperTemplate,
  only?: readonly string[],
): Rewritten {
  return rewrite(text, file, only, (config, { name, entry }) => {
    const shape = shapeOf(config, name, entry);
    if (shape.kind === "other" || shape.kind === "damaged") return { status: "left_alone", why: shape.why };
    if (shape.kind !== "wrapped")
      return { status: "wrapped", edits: wrapEntry(config, name, shape, template) };
    if (isSame(shape.wrapper.launcher, template.launcher)) return { status: "already_wrapped" };
    return { status: "relaunched", edits: relaunch(config, shape, template) };
  });
}

/**
 * Takes the gateway away again, where `wrapConfig` put it. What else was changed since is kept.
 *
 * @throws as `wrapConfig`.
 */
export function unwrapConfig(text: string, file: string, only?: readonly string[]): Rewritten {
  return rewrite(text, file, only, (config, { name, entry }) => {
    const shape = shapeOf(config, name, entry);
    if (shape.kind === "damaged") return { status: "left_alone", why: shape.why };
    if (shape.kind !== "wrapped") return { status: "not_wrapped" };
    const unwrapped = unwrapEntry(config, name, entry);
    if ("why" in unwrapped) return { status: "left_alone", why: unwrapped.why };
    return { status: "unwrapped", edits: [replaceValue(entry, unwrapped.text)] };
  });
}

function rewrite(
  text: string,
  file: string,
  only: readonly string[] | undefined,
  changeOf: (config: ConfigText, server: FoundServer) => Change,
): Rewritten {
  const config = readConfigText(text, file);
  const found = findServers(config);
  if (found === undefined)
    throw config.errorAt(
      0,
      "there are no MCP servers in this file",
      "it should have `mcpServers` or `servers`",
    );
  const missing = only?.find((name) => !found.some((server) => server.name === name));
  if (missing !== undefined) {
    const names = [...new Set(found.map(({ name }) => name))].join(", ");
    throw new NotFoundError("server", missing, `the file has ${names === "" ? "none" : names}`);
  }
  const chosen = found.filter(({ name }) => only === undefined || only.includes(name));
  const changes = chosen.map((server) => ({ server, change: changeOf(config, server) }));
  const result = applyEdits(
    config.text,
    changes.flatMap(({ change }) => change.edits ?? []),
  );
  const after = new Map(
    (findServers(readConfigText(result, file)) ?? []).map((server) => [JSON.stringify(server.path), server]),
  );
  const servers = changes.map(({ server, change }) => {
    const now = after.get(JSON.stringify(server.path));
    const moved =
      change.edits === undefined || now === undefined
        ? undefined
        : Object.freeze({ from: commandLine(server), to: commandLine(now) });
    return Object.freeze({
      name: server.name,
      path: Object.freeze(server.path),
      status: change.status,
      why: change.why,
      change: moved,
    });
  });
  return Object.freeze({ text: result, servers: Object.freeze(servers) });
}

/** The command and its arguments; of a remote server no address, since addresses may hold tokens. */
function commandLine({ entry }: FoundServer): readonly string[] {
  const value = (key: string) => entry.parts?.find((part) => part.key === key);
  const command = value("command");
  if (command === undefined) return Object.freeze(["(a remote server)"]);
  const words = (value("args")?.parts ?? []).flatMap(({ string }) => string ?? []);
  return Object.freeze([command.string ?? "", ...words]);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, index) => word === b[index]);
}
