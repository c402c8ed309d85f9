import type { Grant } from "./grants.js";
import type { Question } from "./questions.js";

/** Somebody who answers questions about the same bindings. */
export interface Decider {
  readonly what: string;
  /** Whether every answer has to be right; else how many are wrong is told. */
  readonly exact: boolean;
  add(grant: Grant): void;
  /**
   * Answers question number `index`. What somebody's interface wants in another form (an action apart from a path,
   * dots for slashes) is made ready here, before the clock starts.
   */
  asker(questions: readonly Question[]): (index: number) => boolean;
}

/** A decider that may be built when all of its grants are known. */
export interface Loadable extends Decider {
  ready(): Promise<void>;
}

/** What is measured: `undefined` where its package is not installed. */
export type Rival = (() => Loadable) | undefined;

/** Where an action ends and its path begins. */
export function splitCapability(capability: string): { readonly action: string; readonly path: string } {
  const at = capability.indexOf(":", capability.indexOf(":") + 1);
  return { action: capability.slice(0, at), path: capability.slice(at + 1) };
}

/** Grants by agent, in the order in which they came. */
export class ByAgent {
  readonly agents = new Map<string, Grant[]>();

  add(grant: Grant): void {
    const known = this.agents.get(grant.agent);
    if (known === undefined) this.agents.set(grant.agent, [grant]);
    else known.push(grant);
  }
}
