import ipaddr from "ipaddr.js";

type Block = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * The private addresses that a whole chain allows (SEMANTICS K `allow_private`): none when no link names
 * any; else what every link that names blocks has in common, so that no link widens another.
 */
export function commonBlocks(lists: readonly (readonly string[] | undefined)[]): readonly string[] {
  const named = lists.filter((list) => list !== undefined);
  const [first, ...others] = named;
  if (first === undefined) return [];
  return others.reduce<readonly string[]>(
    (common, list) => [...new Set(common.flatMap((a) => list.flatMap((b) => narrower(a, b))))],
    first,
  );
}

/** Two CIDR blocks are disjoint or one lies in the other. */
function narrower(a: string, b: string): readonly string[] {
  const [blockA, blockB] = [ipaddr.parseCIDR(a), ipaddr.parseCIDR(b)];
  if (contains(blockA, blockB)) return [b];
  return contains(blockB, blockA) ? [a] : [];
}

/** Whether every address of the CIDR block `inner` is in `outer`. */
export function isWithinBlock(inner: string, outer: string): boolean {
  return contains(ipaddr.parseCIDR(outer), ipaddr.parseCIDR(inner));
}

function contains([address, bits]: Block, [inner, innerBits]: Block): boolean {
  return address.kind() === inner.kind() && innerBits >= bits && inner.match([address, bits] as never);
}
