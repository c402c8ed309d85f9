import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json.js";
import type { ToolStanding } from "../pins/pin-log.js";

const pagesMax = 100;
const toolsMax = 5_000;
const attemptsMax = 4;

/** One page of a list as a server gives it. */
export interface Page {
  readonly entries: readonly JsonValue[];
  readonly cursor: string | undefined;
}

/** @param result of a list method. */
export function pageOf(result: JsonValue | undefined, member: string): Page {
  const entries = isJsonObject(result) ? result[member] : undefined;
  const cursor = isJsonObject(result) ? result["nextCursor"] : undefined;
  return {
    entries: Array.isArray(entries) ? (entries as readonly JsonValue[]) : [],
    cursor: typeof cursor === "string" && cursor !== "" ? cursor : undefined,
  };
}

/** All pages, as far as a server that gives pages for ever is followed. */
export async function allPages(
  ask: (params: JsonObject) => Promise<Page>,
  entriesMax = toolsMax,
): Promise<readonly JsonValue[]> {
  const entries: JsonValue[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < pagesMax; page++) {
    const next = await ask(cursor === undefined ? {} : { cursor });
    entries.push(...next.entries.slice(0, entriesMax - entries.length));
    if (next.cursor === undefined || entries.length >= entriesMax) break;
    cursor = next.cursor;
  }
  return entries;
}

/** The tools of one server as it described them last, and whether they may be called: every page counts. */
export class Catalogue {
  #tools = new Map<string, ToolStanding>();
  #whole = false;
  #loading: Promise<void> | undefined;

  /** What a server said may not hold any more: before the next call it is asked again. */
  forget(): void {
    this.#tools = new Map();
    this.#whole = false;
    this.#loading = undefined;
  }

  /** A page that a client asked for. */
  add(standings: readonly ToolStanding[]): void {
    for (const standing of standings) this.#tools.set(standing.name, standing);
  }

  /**
   * @param load all of its tools, asked of the server.
   * @returns undefined for a tool that the server does not list.
   */
  async tool(name: string, load: () => Promise<readonly ToolStanding[]>): Promise<ToolStanding | undefined> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const known = this.#tools.get(name);
      if (known !== undefined || this.#whole) return known;
      await (this.#loading ??= this.#load(load));
    }
    // A tool is not taken for unlisted because its server says over and over that its list changed.
    throw new EffectFailedError(
      "upstream_unavailable",
      "its list of tools changes faster than it can be read",
    );
  }

  async #load(load: () => Promise<readonly ToolStanding[]>): Promise<void> {
    const tools = this.#tools;
    try {
      const standings = await load();
      // Forgotten meanwhile: what was just heard may be old.
      if (tools !== this.#tools) return;
      this.add(standings);
      this.#whole = true;
    } finally {
      if (tools === this.#tools) this.#loading = undefined;
    }
  }
}
