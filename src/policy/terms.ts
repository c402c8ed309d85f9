import type { LinkRecord } from "../model/authority.js";
import { type Capability, exceptPattern, overlaps } from "../model/capability/index.js";
import { canonicalJson } from "../model/canonical.js";
import { commonBlocks } from "../model/constraint/blocks.js";
import type { Constraints } from "../model/constraint/index.js";
import type { JsonObject } from "../model/json.js";
import { parseDuration, parseInstant } from "../model/time.js";

/** What bounds an authority beside its resource. */
export interface Terms {
  readonly constraints: Constraints;
  /** ms since the epoch; undefined: never. */
  readonly expiresAt: number | undefined;
}

/** The terms of a chain in the two places that a policy has for them: the contract's, and all bindings' together. */
export interface ChainTerms {
  readonly contract: Terms;
  readonly grant: Terms;
}

/** @param chain a binding first, its contract last. */
export function termsOfChain(chain: readonly LinkRecord[]): ChainTerms {
  return { contract: termsTogether(chain.slice(-1)), grant: termsTogether(chain.slice(0, -1)) };
}

/** To find out which observations were under equal terms. */
export function termsKey({ contract, grant }: ChainTerms): string {
  const plain = ({ constraints, expiresAt }: Terms) => [
    constraints as unknown as JsonObject,
    expiresAt ?? null,
  ];
  return canonicalJson([plain(contract), plain(grant)]);
}

/**
 * Terms for one capability of several that were used under them: exceptions that cannot touch it are left out, and
 * counters allow no more than what was used, since each capability counts on its own from here on.
 */
export function narrowedTerms({ constraints, expiresAt }: Terms, to: Capability, uses: number): Terms {
  const { except, max_uses, rate, ...others } = constraints;
  const touching = (except ?? []).filter((pattern) => overlaps(exceptPattern(to, pattern), to));
  return {
    expiresAt,
    constraints: {
      ...others,
      ...(touching.length === 0 ? {} : { except: touching }),
      ...(max_uses === undefined ? {} : { max_uses: Math.min(max_uses, uses) }),
      ...(rate === undefined ? {} : { rate: { ...rate, limit: Math.min(rate.limit, uses) } }),
    },
  };
}

/** Terms of either of two that are alike but for their ends and counters: what both allowed one after the other. */
export function termsOfEither(a: Terms, b: Terms): Terms {
  const [{ max_uses: m, rate: r }, { max_uses: n, rate: q }] = [a.constraints, b.constraints];
  const isEndless = a.expiresAt === undefined || b.expiresAt === undefined;
  return {
    expiresAt: isEndless ? undefined : Math.max(a.expiresAt, b.expiresAt),
    constraints: {
      ...a.constraints,
      ...(m === undefined || n === undefined ? {} : { max_uses: m + n }),
      ...(r === undefined || q === undefined ? {} : { rate: { ...r, limit: r.limit + q.limit } }),
    },
  };
}

/** What several links allow together; where that cannot be said exactly, less. */
export function termsTogether(links: readonly Terms[]): Terms {
  const all = links.map((link) => link.constraints);
  const named = <K extends keyof Constraints>(name: K) =>
    all.flatMap((each): NonNullable<Constraints[K]>[] => (each[name] === undefined ? [] : [each[name]]));
  const least = (values: readonly number[]): number => Math.min(...values);
  const shortest = (texts: readonly string[]): string =>
    texts.reduce((a, b) => (parseDuration(b) < parseDuration(a) ? b : a));
  const put = <K extends keyof Constraints>(
    name: K,
    merge: (values: readonly NonNullable<Constraints[K]>[]) => NonNullable<Constraints[K]>,
  ): Pick<Constraints, K> | object => {
    const values = named(name);
    return values.length === 0 ? {} : { [name]: values.length === 1 ? values[0] : merge(values) };
  };
  const ends = links.flatMap((link) => link.expiresAt ?? []);
  return {
    expiresAt: ends.length === 0 ? undefined : least(ends),
    constraints: {
      ...put("max_uses", least),
      ...put("rate", (rates) => ({
        limit: least(rates.map((rate) => rate.limit)),
        per: rates.map((rate) => rate.per).reduce((a, b) => (parseDuration(b) > parseDuration(a) ? b : a)),
      })),
      ...put("not_before", (times) => times.reduce((a, b) => (parseInstant(b) > parseInstant(a) ? b : a))),
      ...put("except", (lists) => [...new Set(lists.flat())]),
      ...put("params", (schemas) => ({ allOf: [...schemas] })),
      ...put("when", (conditions) => conditions.map((each) => `(${each})`).join(" && ")),
      ...put("approval", ([first]) => first ?? { within: "0s" }),
      ...put("max_duration", shortest),
      ...put("max_output_bytes", least),
      ...put("max_effects", least),
      ...put("allow_private", (lists) => commonBlocks(lists)),
      ...put("unconfined", () => true as const),
    },
  };
}
