/** Letters of other scripts that look like Latin ones (a part of Unicode's confusables, UTS 39). */
const lookalikes: Readonly<Record<string, string>> = {
  а: "a",
  в: "b",
  с: "c",
  ԁ: "d",
  е: "e",
  һ: "h",
  і: "i",
  ј: "j",
  к: "k",
  ӏ: "l",
  м: "m",
  н: "h",
  о: "o",
  р: "p",
  ԛ: "q",
  ѕ: "s",
  т: "t",
  у: "y",
  ѵ: "v",
  ԝ: "w",
  х: "x",
  α: "a",
  β: "b",
  ε: "e",
  η: "n",
  ι: "i",
  κ: "k",
  ν: "v",
  ο: "o",
  ρ: "p",
  τ: "t",
  υ: "u",
  χ: "x",
  ɡ: "g",
  ı: "i",
  ℓ: "l",
};

/** Names with equal skeletons are taken for each other: case, separators and look-alikes do not count. */
export function skeletonOf(name: string): string {
  return (
    [...name.normalize("NFKC").toLowerCase()]
      .map((character) => lookalikes[character] ?? character)
      .join("")
      .replace(/[\s\p{P}\p{Cf}\p{Cc}]/gu, "")
      // After the separators, so that `i` and `l` and digits that stand for them fall together wherever they are.
      .replace(/0/g, "o")
      .replace(/1/g, "l")
  );
}
