import { setFlagsFromString } from "node:v8";
import { rival } from "../harness/root.js";
import { ByAgent, type Loadable, type Rival, splitCapability } from "./contender.js";
import { type Grant, nowMs } from "./grants.js";
import type { Question } from "./questions.js";

interface Entity {
  readonly type: string;
  readonly id: string;
}
interface Call {
  readonly principal: Entity;
  readonly action: Entity;
  readonly resource: Entity;
  readonly context: object;
  readonly preparsedPolicySetId: string;
  readonly entities: readonly object[];
}
interface Package {
  preparsePolicySet(id: string, set: { staticPolicies: Record<string, string> }): { readonly type: string };
  statefulIsAuthorized(
    call: Call,
  ):
    | { readonly type: "success"; readonly response: { readonly decision: string } }
    | { readonly type: "failure" };
}

/**
 * Cedar in WebAssembly, a preparsed set of policies an agent. Expiry, `not_before`, `except` and limits on parameters
 * are conditions; counters are not its business; `like` has a `*` that crosses `/`.
 */
export async function cedar(): Promise<Rival> {
  const engine = (await rival("@cedar-policy/cedar-wasm/nodejs")) as Package | undefined;
  if (engine === undefined) return undefined;
  // Node 20 dies of a wrong assertion when optimised code that holds such a call is given up during the call.
  setFlagsFromString("--no-turbo-inline-js-wasm-calls");
  return (): Loadable => {
    const grants = new ByAgent();
    return {
      what: "cedar-wasm 4.13.0, a preparsed set an agent",
      exact: false,
      add: (grant) => grants.add(grant),
      ready: async () => {
        for (const [agent, own] of grants.agents) {
          const staticPolicies = Object.fromEntries(own.map((grant) => [grant.id, policyOf(grant)]));
          const { type } = engine.preparsePolicySet(agent, { staticPolicies });
          if (type !== "success") throw new Error(`cedar does not take the policies of ${agent}`);
        }
        grants.agents.clear();
      },
      asker: (questions) => {
        const calls = questions.map(callOf);
        return (index) => {
          const answer = engine.statefulIsAuthorized(calls[index] as Call);
          if (answer.type !== "success") throw new Error("cedar could not decide");
          return answer.response.decision === "allow";
        };
      },
    };
  };
}

function policyOf({ agent, capability, expiresAt, limit }: Grant): string {
  const { action, path } = splitCapability(capability);
  const anyAction = action.endsWith(":*");
  const conditions = [`resource.path like ${like(path)}`, `context.now < ${expiresAt}`];
  if (limit?.kind === "not_before") conditions.push(`context.now >= ${limit.at}`);
  if (limit?.kind === "except") conditions.push(`!(resource.path like ${like(limit.pattern)})`);
  if (limit?.kind === "params" || limit?.kind === "when") conditions.push(`context.n <= ${limit.max}`);
  return `permit(principal == Agent::"${agent}", action${anyAction ? "" : ` == Action::"${action}"`}, resource) when { ${conditions.join(" && ")} };`;
}

const like = (pattern: string): string => JSON.stringify(pattern.replaceAll("**", "*"));

function callOf({ agent, capability, params }: Question): Call {
  const { action, path } = splitCapability(capability);
  return {
    principal: { type: "Agent", id: agent },
    action: { type: "Action", id: action },
    resource: { type: "File", id: "r" },
    context: { now: nowMs, n: params.n },
    preparsedPolicySetId: agent,
    entities: [{ uid: { type: "File", id: "r" }, attrs: { path }, parents: [] }],
  };
}
