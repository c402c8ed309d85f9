import type { Action } from "../../core/action.js";
import { mcpActions } from "../../actions/mcp.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";

/** A kind of question that servers ask of clients. */
export interface Question {
  readonly action: Action;
  /** What the client says that it has when it can answer. */
  readonly capability: string;
}

const kinds: Readonly<Record<string, Question>> = {
  "sampling/createMessage": { action: mcpActions.sample, capability: "sampling" },
  "elicitation/create": { action: mcpActions.elicit, capability: "elicitation" },
  "roots/list": { action: mcpActions.roots, capability: "roots" },
};

/** Authority for what a server may ask is none for sending a server the same. */
export function isAskedByServers(method: string): boolean {
  return Object.hasOwn(kinds, method);
}

/** Undefined: servers ask no such thing. */
export function questionOf(method: string): Question | undefined {
  return Object.hasOwn(kinds, method) ? kinds[method] : undefined;
}

/** What looks like a question for a secret: those are asked for on a page of whoever they are for (MCP, elicitation). */
const secret =
  /pass(word|phrase|code)|secret|api[-_ ]?key|(access|auth|bearer|api|refresh|session)[-_ ]?token|\btoken\b|credential|private[-_ ]?key|\bpin\b|\bcvv\b|\botp\b/i;

/** What no server may ask, whatever the policy says; undefined: nothing is wrong with it. */
export function refusalOfQuestion(method: string, params: JsonObject): string | undefined {
  if (method !== "elicitation/create") return undefined;
  if (params["mode"] === "url") {
    const { url } = params;
    const target = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
    return target?.protocol === "https:" ? undefined : "a person is sent to https addresses only";
  }
  const schema = params["requestedSchema"];
  const properties = isJsonObject(schema) ? schema["properties"] : undefined;
  if (!isJsonObject(properties)) return undefined;
  const asks = Object.entries(properties).some(
    ([name, property]) => secret.test(name) || (isJsonObject(property) && secret.test(titleOf(property))),
  );
  return asks ? "a form must not ask a person for a secret" : undefined;
}

function titleOf(property: JsonObject): string {
  return [property["title"], property["description"]].filter((text) => typeof text === "string").join(" ");
}
