import fc from "fast-check";
import type { Pattern, PatternSegment, Piece } from "./pattern-oracle.js";

/** As text of a name, path or URL path without its leading slash; literals escaped as C1 says. */
export function printPattern(pattern: Pattern): string {
  return pattern.map(printSegment).join("/");
}

function printSegment(segment: PatternSegment): string {
  if (typeof segment === "string") return segment;
  return segment.map((piece) => (piece === "*" ? "*" : piece.literal.replace(/[\\*/]/g, "\\$&"))).join("");
}

/** Segments over a few letters, so that random pairs meet often; two stars never touch. */
export function arbitrarySegment(letters: readonly string[]): fc.Arbitrary<PatternSegment> {
  const piece: fc.Arbitrary<Piece> = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...letters).map((literal): Piece => ({ literal })) },
    { weight: 2, arbitrary: fc.constant<Piece>("*") },
  );
  const pieces = fc
    .array(piece, { minLength: 1, maxLength: 5 })
    .map((list) => list.filter((each, at) => each !== "*" || list[at - 1] !== "*"));
  return fc.oneof({ weight: 3, arbitrary: pieces }, { weight: 2, arbitrary: fc.constant<"**">("**") });
}

export function arbitraryPattern(letters: readonly string[]): fc.Arbitrary<Pattern> {
  return fc.array(arbitrarySegment(letters), { minLength: 1, maxLength: 6 }).filter(isWithinLimits);
}

/** Within C4's 16 wildcards, and short enough for a host name. */
function isWithinLimits(pattern: Pattern): boolean {
  const text = printPattern(pattern);
  return text.length <= 200 && pattern.flat().filter((piece) => piece === "*" || piece === "**").length <= 16;
}

/**
 * A pattern and one made from it by filling in some of its stars, so that about half of the pairs are
 * contained and the rest miss by little.
 */
export function arbitraryRelatives(letters: readonly string[]): fc.Arbitrary<readonly [Pattern, Pattern]> {
  const fill = fc.array(arbitrarySegment(letters), { maxLength: 2 });
  return arbitraryPattern(letters).chain((pattern) =>
    fc
      .tuple(
        ...pattern.map((segment) => fc.tuple(fc.integer({ min: 0, max: 9 }), fill, fc.constant(segment))),
      )
      .map((choices) => {
        const filled = choices.flatMap(([dice, with_, segment]) => {
          if (segment === "**" && dice < 6) return with_;
          if (segment !== "**" && segment !== "" && dice < 4) return [fillStars(segment, with_)];
          return dice === 9 ? with_ : [segment];
        });
        return [pattern, filled.length > 0 && isWithinLimits(filled) ? filled : pattern] as const;
      }),
  );
}

function fillStars(segment: readonly Piece[], fill: readonly PatternSegment[]): readonly Piece[] {
  const pieces = fill.flatMap((each) => (typeof each === "string" ? [] : each));
  const filled = segment.flatMap((piece) => (piece === "*" ? pieces : [piece]));
  const apart = filled.filter((piece, at) => piece !== "*" || filled[at - 1] !== "*");
  return apart.length === 0 ? segment : apart;
}
