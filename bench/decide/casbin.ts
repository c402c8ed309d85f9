import { rival } from "../harness/root.js";
import { ByAgent, type Loadable, type Rival, splitCapability } from "./contender.js";
import { type Grant, nowMs } from "./grants.js";

interface Enforcer {
  enforceSync(...asked: (string | number)[]): boolean;
}
interface Package {
  newEnforcer(model: unknown, adapter: unknown): Promise<Enforcer>;
  newModelFromString(text: string): unknown;
  readonly StringAdapter: new (text: string) => unknown;
}

const model = `[request_definition]
r = sub, obj, act, now
[policy_definition]
p = sub, obj, act, until
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && globMatch(r.act, p.act) && globMatch(r.obj, p.obj) && r.now < p.until
`;

/** casbin with `globMatch` and an expiry, one enforcer an agent; constraints are not said to it. */
export async function casbin(): Promise<Rival> {
  const loaded = (await rival("casbin")) as Package | undefined;
  if (loaded === undefined) return undefined;
  return (): Loadable => {
    const grants = new ByAgent();
    const enforcers = new Map<string, Enforcer>();
    return {
      what: "casbin 5.51.1, an enforcer an agent",
      exact: false,
      add: (grant) => grants.add(grant),
      ready: async () => {
        for (const [agent, own] of grants.agents) {
          const adapter = new loaded.StringAdapter(own.map(lineOf).join("\n"));
          enforcers.set(agent, await loaded.newEnforcer(loaded.newModelFromString(model), adapter));
        }
        grants.agents.clear();
      },
      asker: (questions) => {
        const asked = questions.map(({ agent, capability }) => ({ agent, ...splitCapability(capability) }));
        return (index) => {
          const { agent, path, action } = asked[index] as (typeof asked)[number];
          return enforcers.get(agent)?.enforceSync(agent, path, action, nowMs) ?? false;
        };
      },
    };
  };
}

function lineOf({ agent, capability, expiresAt }: Grant): string {
  const { action, path } = splitCapability(capability);
  return `p, ${agent}, ${path}, ${action}, ${expiresAt}`;
}
