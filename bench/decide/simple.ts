import type { Decider } from "./contender.js";
import { type Grant, type Limit, nowMs } from "./grants.js";
import type { Question } from "./questions.js";

type Piece = string | { readonly head: string; readonly tail: string };

interface Entry {
  readonly pieces: readonly Piece[];
  readonly expiresAt: number;
  readonly holds: ((question: Question, pieces: readonly string[]) => boolean) | undefined;
}

/**
 * What one writes who needs this and no more: a map by agent, the patterns split at `/`, one matcher for segments,
 * constraints as functions written by hand for exactly these. It takes only well-formed text, knows no contracts, no
 * revocation, no delegation, and says yes or no without a reason.
 */
export class Simple implements Decider {
  readonly what = "simple: a map by agent and hand-written matchers";
  readonly exact = true;
  readonly #agents = new Map<string, Entry[]>();

  /** How many agents have something. */
  get agents(): number {
    return this.#agents.size;
  }

  add({ agent, capability, expiresAt, limit }: Grant): void {
    const entry = {
      pieces: piecesOf(capability),
      expiresAt,
      holds: limit === undefined ? undefined : holds(limit, capability),
    };
    const entries = this.#agents.get(agent);
    if (entries === undefined) this.#agents.set(agent, [entry]);
    else entries.push(entry);
  }

  asker(questions: readonly Question[]): (index: number) => boolean {
    return (index) => this.#allows(questions[index] as Question);
  }

  #allows(question: Question): boolean {
    const entries = this.#agents.get(question.agent);
    if (entries === undefined) return false;
    const asked = question.capability.split("/");
    for (const { pieces, expiresAt, holds } of entries) {
      if (
        matches(pieces, asked, 0, 0) &&
        nowMs < expiresAt &&
        (holds === undefined || holds(question, asked))
      ) {
        return true;
      }
    }
    return false;
  }
}

function piecesOf(pattern: string): Piece[] {
  return pattern.split("/").map((piece) => {
    const star = piece.indexOf("*");
    if (star < 0 || piece === "*" || piece === "**") return piece;
    return { head: piece.slice(0, star), tail: piece.slice(star + 1) };
  });
}

function matches(pattern: readonly Piece[], text: readonly string[], from: number, at: number): boolean {
  let j = at;
  for (let i = from; i < pattern.length; i++, j++) {
    const piece = pattern[i];
    if (piece === "**") {
      if (i === pattern.length - 1) return true;
      for (let k = j; k <= text.length; k++) if (matches(pattern, text, i + 1, k)) return true;
      return false;
    }
    const segment = text[j];
    if (segment === undefined || piece === undefined) return false;
    if (typeof piece === "string") {
      if (piece !== "*" && piece !== segment) return false;
    } else if (
      segment.length < piece.head.length + piece.tail.length ||
      !segment.startsWith(piece.head) ||
      !segment.endsWith(piece.tail)
    ) {
      return false;
    }
  }
  return j === text.length;
}

function holds(limit: Limit, capability: string): Exclude<Entry["holds"], undefined> {
  switch (limit.kind) {
    case "not_before":
      return () => nowMs >= limit.at;
    case "max_uses":
      return () => limit.uses < limit.max;
    case "rate":
      return () => limit.times.filter((time) => time > nowMs - 60_000).length < limit.limit;
    case "except": {
      const head = headOf(capability);
      const pieces = piecesOf(`${head}${limit.pattern}`);
      return (_, asked) => !matches(pieces, asked, 0, 0);
    }
    case "params":
    case "when":
      return ({ params }) => Number.isInteger(params.n) && params.n <= limit.max;
  }
}

/** All that comes before the resource. */
function headOf(capability: string): string {
  if (capability.startsWith("net:http:GET ")) return "net:http:GET ";
  return capability.slice(0, capability.indexOf(":", capability.indexOf(":") + 1) + 1);
}
