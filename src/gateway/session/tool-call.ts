import { mcpActions } from "../../actions/mcp.js";
import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import { impliedBy } from "../mapping/implied.js";
import type { ToolStanding } from "../pins/pin-log.js";
import { disagreeing, headersOf, mirroredArguments } from "../protocol/mirrored-arguments.js";
import { undeclaredArgument } from "./declared-arguments.js";
import {
  moreOf,
  named,
  type RequestFacts,
  type RequestParts,
  shown,
  type Understood,
  without,
} from "./understood.js";

/** A call of a tool: what its definition, which is pinned, and its arguments make of it. */
export async function understandCall(
  parts: RequestParts,
  params: JsonObject,
  { envelope, headers }: RequestFacts,
): Promise<Understood> {
  const { upstream, name, about } = named(parts, params);
  const { arguments: given, ...more } = without(about, "name");
  const args = isJsonObject(given) ? given : {};
  const what = `the tool ${shown(params["name"])}`;
  const understood = {
    upstream,
    action: mcpActions.call,
    about,
    params: { tool: name, arguments: args, ...moreOf(more) },
    what,
  };
  if (upstream === undefined) return { ...understood, refused: "there is no such tool" };
  if (given !== undefined && !isJsonObject(given))
    return { ...understood, refused: "its arguments are not an object" };
  let standing: ToolStanding | undefined;
  try {
    standing = await upstream.tool(name, parts.pins, parts.agentId, envelope);
  } catch (error) {
    // What the tool is cannot be told now: the guard decides and records all the same, and nothing is sent.
    if (error instanceof EffectFailedError) return { ...understood, unavailable: error };
    throw error;
  }
  if (standing === undefined && parts.pins.knows(upstream.name, name))
    return { ...understood, refused: "its server does not list it any more" };
  if (standing?.admitted === false)
    return {
      ...understood,
      refused:
        "it is not what it was when it was accepted, or was never accepted; the operator has to look at it",
    };
  const schema = standing?.definition["inputSchema"];
  const mirrored = upstream.connection.isStateless ? mirroredArguments(schema) : [];
  if (upstream.connection.isStateless) {
    if (typeof mirrored === "string") return { ...understood, refused: "its definition is not a valid one" };
    const header = headers === undefined ? undefined : disagreeing(mirrored, args, headers);
    if (header !== undefined)
      return { ...understood, refused: `its header ${header} and its arguments disagree`, isMismatch: true };
  }
  const undeclared = undeclaredArgument(schema, args);
  if (undeclared !== undefined)
    return { ...understood, refused: `it has no argument ${shown(undeclared)}; leave it out` };
  const implied = await impliedBy(upstream.server.mapping, name, args, schema, parts.ownFiles);
  if ("refused" in implied) return { ...understood, ...implied };
  const own = typeof mirrored === "string" ? {} : headersOf(mirrored, args);
  return { ...understood, implies: implied.capabilities, headers: own };
}
