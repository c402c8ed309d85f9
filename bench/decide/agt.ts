import { rival } from "../harness/root.js";
import { ByAgent, type Loadable, type Rival, splitCapability } from "./contender.js";
import type { Question } from "./questions.js";

interface Engine {
  evaluate(action: string, context: object): string;
}
interface Package {
  readonly PolicyEngine: new (
    rules: readonly { readonly action: string; readonly effect: "allow" }[],
  ) => Engine;
}

/**
 * The policy engine of the Agent Governance Toolkit, one an agent. Its rules know an exact action and `prefix.*`; other
 * shapes, expiry and constraints cannot be said, and are answered wrongly.
 */
export async function agt(): Promise<Rival> {
  const loaded = (await rival("@microsoft/agent-governance-sdk")) as Package | undefined;
  if (loaded === undefined) return undefined;
  const { PolicyEngine } = loaded;
  return (): Loadable => {
    const grants = new ByAgent();
    const engines = new Map<string, Engine>();
    return {
      what: "AGT 4.0.0, an engine an agent",
      exact: false,
      add: (grant) => grants.add(grant),
      ready: async () => {
        for (const [agent, own] of grants.agents) {
          const rules = own.map(({ capability }) => ({
            action: dotted(capability).replace(/\.\*\*$/, ".*"),
            effect: "allow" as const,
          }));
          engines.set(agent, new PolicyEngine(rules));
        }
        grants.agents.clear();
      },
      asker: (questions: readonly Question[]) => {
        const asked = questions.map(({ agent, capability }) => ({ agent, action: dotted(capability) }));
        return (index) => {
          const { agent, action } = asked[index] as (typeof asked)[number];
          return engines.get(agent)?.evaluate(action, {}) === "allow";
        };
      },
    };
  };
}

function dotted(capability: string): string {
  const { action, path } = splitCapability(capability);
  return `${action.replace(":", ".")}.${path.replace(/^\//, "").replaceAll("/", ".")}`;
}
