/**
 * A slow second opinion on patterns (SEMANTICS C1, C8). It knows nothing of segments, blocks or gaps: a
 * pattern is a nondeterministic automaton over characters, and every question is a search of its states.
 *
 * A sequence of segments is read as the word in which each segment is followed by an end mark; the one
 * empty segment that a URL may end in is one more such mark. `other` stands for every character no pattern contains;
 * automata treat all such characters alike, so one letter for them all loses nothing.
 */
export type Piece = { readonly literal: string } | "*";
/** A segment, or `**`; the last may be `""`, the trailing empty segment. */
export type PatternSegment = readonly Piece[] | "**" | "";
export type Pattern = readonly PatternSegment[];

/** The separator. Longer than a character, so that an escaped slash inside a segment is not it. */
const SLASH = "end of segment";
const OTHER = "other";
const NOT_SLASH = "any but the end of segment";

interface Edge {
  readonly on: string;
  readonly to: number;
}
interface Automaton {
  readonly edges: readonly (readonly Edge[])[];
  readonly free: readonly (readonly number[])[];
  readonly accepting: number;
}

export function toAutomaton(pattern: Pattern): Automaton {
  const edges: Edge[][] = [[]];
  const free: number[][] = [[]];
  const state = () => {
    free.push([]);
    return edges.push([]) - 1;
  };
  let at = 0;
  const step = (on: Edge["on"]) => {
    const to = state();
    edges[at]?.push({ on, to });
    at = to;
  };
  for (const segment of pattern) {
    if (segment === "") {
      step(SLASH);
    } else if (segment === "**") {
      const inside = state();
      edges[at]?.push({ on: NOT_SLASH, to: inside });
      edges[inside]?.push({ on: NOT_SLASH, to: inside }, { on: SLASH, to: at });
      const after = state();
      free[at]?.push(after);
      at = after;
    } else {
      for (const piece of segment) {
        if (piece !== "*") {
          step(piece.literal);
          continue;
        }
        if (segment.length === 1) step(NOT_SLASH);
        const loop = state();
        free[at]?.push(loop);
        edges[loop]?.push({ on: NOT_SLASH, to: loop });
        at = loop;
      }
      step(SLASH);
    }
  }
  return { edges, free, accepting: at };
}

/** As the path of a URL: a last `**` takes in the trailing empty segment too. */
export function toUrlAutomaton(pattern: Pattern): Automaton {
  const plain = toAutomaton(pattern);
  if (pattern[pattern.length - 1] !== "**") return plain;
  const edges = plain.edges.map((list, state) =>
    state === plain.accepting ? [...list, { on: SLASH, to: plain.edges.length }] : list,
  );
  const free = plain.free.map((list, state) =>
    state === plain.accepting ? [...list, plain.edges.length] : list,
  );
  return { edges: [...edges, []], free: [...free, []], accepting: plain.edges.length };
}

function closure(automaton: Automaton, states: Iterable<number>): Set<number> {
  const found = new Set(states);
  for (const state of found) for (const next of automaton.free[state] ?? []) found.add(next);
  return found;
}

function after(automaton: Automaton, states: Iterable<number>, letter: string): Set<number> {
  const next = new Set<number>();
  for (const state of states) {
    for (const { on, to } of automaton.edges[state] ?? []) {
      if (on === letter || (on === NOT_SLASH && letter !== SLASH)) next.add(to);
    }
  }
  return closure(automaton, next);
}

function lettersOf(...automata: readonly Automaton[]): string[] {
  const letters = new Set([SLASH, OTHER]);
  for (const { edges } of automata) {
    for (const { on } of edges.flat()) if (on !== NOT_SLASH) letters.add(on);
  }
  return [...letters];
}

/** Whether every word of `asked` is a word of `held`: walks states of one with sets of states of the other. */
export function isContained(asked: Automaton, held: Automaton): boolean {
  const letters = lettersOf(asked, held);
  const seen = new Set<string>();
  const todo: { state: number; set: Set<number> }[] = [];
  const visit = (states: Iterable<number>, set: Set<number>): void => {
    const name = [...set].sort((a, b) => a - b).join();
    for (const state of states) {
      if (seen.has(`${state}|${name}`)) continue;
      seen.add(`${state}|${name}`);
      todo.push({ state, set });
    }
  };
  visit(closure(asked, [0]), closure(held, [0]));
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (next.state === asked.accepting && !next.set.has(held.accepting)) return false;
    for (const letter of letters) {
      const states = after(asked, [next.state], letter);
      if (states.size > 0) visit(states, after(held, next.set, letter));
    }
  }
  return true;
}

/** Whether some word belongs to both: a search of pairs of states. */
export function isShared(left: Automaton, right: Automaton): boolean {
  const letters = lettersOf(left, right);
  const seen = new Set<string>();
  const todo: [number, number][] = [];
  const visit = (ones: Iterable<number>, others: Set<number>): void => {
    for (const one of ones) {
      for (const other of others) {
        if (seen.has(`${one},${other}`)) continue;
        seen.add(`${one},${other}`);
        todo.push([one, other]);
      }
    }
  };
  visit(closure(left, [0]), closure(right, [0]));
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [one, other] = next;
    if (one === left.accepting && other === right.accepting) return true;
    for (const letter of letters) visit(after(left, [one], letter), after(right, [other], letter));
  }
  return false;
}

/** Whether the automaton's language has the sequence of literal segments. */
export function isNamed(automaton: Automaton, segments: readonly string[]): boolean {
  let states = closure(automaton, [0]);
  for (const segment of segments) {
    for (const letter of [...segment, SLASH]) states = after(automaton, states, letter);
  }
  return states.has(automaton.accepting);
}
