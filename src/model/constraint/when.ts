import { compileCel } from "../cel.js";
import type { JsonValue } from "../json.js";

/** What a `when` expression sees (SEMANTICS K). `now` is RFC 3339 text, UTC. */
export interface WhenContext {
  readonly agent: string;
  readonly workflow: string;
  readonly step: string;
  readonly params: JsonValue;
  readonly now: string;
}

type Condition = (context: WhenContext) => boolean;

const cacheMax = 1_000;
const cache = new Map<string, Condition>();

/** Compiles a CEL condition. The result throws when evaluation fails or gives no boolean: the caller denies. */
export function compileWhen(source: string): Condition {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const expression = compileCel(source, ["agent", "workflow", "step", "params", "now"]);
  const condition: Condition = (context) => {
    const answer = expression.evaluate({ ...context });
    if (typeof answer !== "boolean") throw new TypeError("the condition did not give true or false");
    return answer;
  };
  if (cache.size >= cacheMax) cache.delete(cache.keys().next().value as string);
  cache.set(source, condition);
  return condition;
}
