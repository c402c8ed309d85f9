import type { DenialReason } from "../../src/model/denial.js";
import { agentName, bindingsPerAgent, type Grant, grantOf, nowMs } from "./grants.js";
import { seeded } from "./random.js";
import { outside, shapes } from "./shapes.js";

/** Something that is asked, with the only right answer to it, which follows from how it was made. */
export interface Question {
  readonly agent: string;
  readonly capability: string;
  readonly params: { readonly n: number };
  readonly allow: boolean;
  /** The binding that allows it, or why it is denied. */
  readonly answer: string;
}

/** @returns questions of which 70 % are allowed, about agents at random. */
export function questionsFor(agents: number, count: number, seed: number): Question[] {
  const random = seeded(seed);
  const upTo = (n: number): number => Math.floor(random() * n);
  const questions = Array.from({ length: count }, () => {
    const wanted = random() < 0.7;
    for (;;) {
      const question = wanted ? inside(upTo(agents), upTo(bindingsPerAgent), upTo(1e6)) : denied(upTo);
      if (question.allow === wanted) return question;
    }
  });
  // As they arrive in a message: texts of their own, none of them put together from parts.
  return questions.map((question) => JSON.parse(JSON.stringify(question)) as Question);

  function denied(pick: (n: number) => number): Question {
    const [a, x] = [pick(agents), pick(1e6)];
    if (pick(2) === 0) return answered(a, outside(a, x), 7, "no_binding_found");
    for (let tries = 0; tries < 10; tries++) {
      const k = pick(bindingsPerAgent);
      const { limit } = grantOf(a, k);
      const question =
        limit?.kind === "except"
          ? answered(a, shapes[k]?.touch(a, x) ?? "", 7, "constraint_violated")
          : limit?.kind === "params" || limit?.kind === "when"
            ? answered(a, shapes[k]?.ask(a, x) ?? "", 1_000 + x, "constraint_violated")
            : inside(a, k, x);
      const dead = whyDead(grantOf(a, k));
      if (dead !== undefined) return { ...question, allow: false, answer: dead };
      if (!question.allow) return question;
    }
    return answered(a, outside(a, x), 7, "no_binding_found");
  }
}

/** What binding `k` covers, with parameters that fit. */
function inside(a: number, k: number, x: number): Question {
  const grant = grantOf(a, k);
  const capability = shapes[k]?.ask(a, x) ?? "";
  const dead = whyDead(grant);
  if (dead !== undefined) return answered(a, capability, 7, dead);
  const { limit } = grant;
  if (limit?.kind === "except" && limit.pattern === capability.slice("fs:read:".length)) {
    return answered(a, capability, 7, "constraint_violated");
  }
  return { ...answered(a, capability, x % 1_000, undefined), allow: true, answer: grant.id };
}

function answered(a: number, capability: string, n: number, reason: DenialReason | undefined): Question {
  return { agent: agentName(a), capability, params: { n }, allow: false, answer: reason ?? "" };
}

/** Why a binding allows nothing whatever is asked; undefined for one that is alive. */
function whyDead({ expiresAt, limit }: Grant): DenialReason | undefined {
  if (limit?.kind === "not_before" && limit.at > nowMs) return "binding_not_yet_valid";
  if (expiresAt <= nowMs) return "binding_expired";
  if (limit?.kind === "rate" && limit.times.length >= limit.limit) return "rate_limited";
  if (limit?.kind === "max_uses" && limit.uses >= limit.max) return "uses_exhausted";
  return undefined;
}
