import { type ConfigText, memberOf, type Part } from "./config-text.js";

/** One server of a client's configuration, wherever the client keeps it. */
export interface FoundServer {
  readonly name: string;
  /** Keys from the top of the file, the name last. */
  readonly path: readonly string[];
  readonly entry: Part;
}

/**
 * Where clients keep their servers: `mcpServers` (most), `servers` (VS Code's mcp.json), `mcp.servers` (its
 * settings.json), `context_servers` (Zed).
 */
const places: readonly (readonly string[])[] = [
  ["mcpServers"],
  ["servers"],
  ["mcp", "servers"],
  ["context_servers"],
];

/**
 * Every server, in the order of the places above, then those that Claude Code keeps for single projects.
 *
 * @returns undefined when there is no place at all that could hold one: then it is some other file.
 * @throws DocumentError `invalid_client_config` for a key on the way that stands twice.
 */
export function findServers(config: ConfigText): readonly FoundServer[] | undefined {
  const holders = places.map((path) => ({ path, part: partAt(config, path) }));
  const projects = memberOf(config, config.root, "projects");
  for (const { key } of projects?.parts ?? []) {
    const path = ["projects", key, "mcpServers"];
    holders.push({ path, part: partAt(config, path) });
  }
  const there = holders.flatMap(({ path, part }) => (part?.type === "object" ? [{ path, part }] : []));
  if (there.length === 0) return undefined;
  return there.flatMap(({ path, part }) =>
    (part.parts ?? []).map(({ key }) => {
      const entry = memberOf(config, part, key);
      if (entry === undefined) throw new TypeError("a member is there under its own name");
      return { name: key, path: [...path, key], entry };
    }),
  );
}

function partAt(config: ConfigText, path: readonly string[]): Part | undefined {
  let part: Part | undefined = config.root;
  for (const key of path) part = memberOf(config, part, key);
  return part;
}
