import { promises as dns } from "node:dns";
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { EffectDeniedError, EffectFailedError } from "../../model/errors.js";

/** One address that a name has. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name at one moment; throws what the resolver throws. Default: the system's resolver. */
export type Lookup = (
  name: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const systemLookup: Lookup = (name) => dns.lookup(name, { all: true });

// Assigned for public use, and yet the address of a cloud's own metadata service (Azure WireServer).
const metadataInPublicSpace = "168.63.129.16";
// IANA has given out global unicast addresses from this block only; ipaddr.js calls the rest unicast too.
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/** Whether packets to this address leave for the public internet. Text that is no IP address is not public. */
export function isPublicAddress(address: string): boolean {
  // A zone (`fe80::1%eth0`) picks a network interface: nothing public needs one.
  if (isIP(address) === 0 || address.includes("%")) return false;
  if (address === metadataInPublicSpace) return false;
  // `process` unwraps ::ffff:127.0.0.1. NAT64, 6to4 and Teredo, which carry an IPv4 address inside, have
  // ranges of their own, so none of them is "unicast".
  const parsed = ipaddr.process(address);
  if (parsed.range() !== "unicast") return false;
  return parsed.kind() === "ipv4" || (parsed as ipaddr.IPv6).match(globalUnicast);
}

/** Whether one of the CIDR blocks names it. A block that is malformed names nothing. */
export function isInBlocks(address: string, blocks: readonly string[]): boolean {
  if (isIP(address) === 0 || address.includes("%")) return false;
  const parsed = ipaddr.process(address);
  return blocks.some((block) => {
    if (!ipaddr.isValidCIDR(block)) return false;
    const [network, bits] = ipaddr.parseCIDR(block);
    return network.kind() === parsed.kind() && parsed.match(network, bits);
  });
}

/**
 * The addresses that a connection to this host may use (SEMANTICS H4), asked from the resolver once.
 *
 * One private address among public ones refuses the host: which of them a client tries is decided later
 * and elsewhere, and a name that has both is how a network is probed from inside.
 *
 * @param hostname as in `URL.hostname`: an IPv6 literal stands in brackets.
 * @throws EffectDeniedError `private_address`; EffectFailedError `dns_failed`.
 */
export async function checkedAddresses(
  hostname: string,
  lookup: Lookup,
  allowPrivate: readonly string[],
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const literal = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const found = isIP(literal) === 0 ? await resolve(hostname, lookup, signal) : [{ address: literal }];
  return found.map(({ address }) => {
    const family = isIP(address);
    if (family !== 4 && family !== 6)
      throw new EffectFailedError("dns_failed", `\`${hostname}\` resolved to no IP address`);
    if (!isPublicAddress(address) && !isInBlocks(address, allowPrivate)) {
      // The address itself stays out of the message: it would map the inner network for the agent.
      throw new EffectDeniedError("private_address", `\`${hostname}\` is at an address that is not public`, {
        hint: "name its block in the constraint `allow_private` when it is meant to be reached",
      });
    }
    return { address, family };
  });
}

async function resolve(
  name: string,
  lookup: Lookup,
  signal: AbortSignal,
): Promise<readonly { readonly address: string }[]> {
  signal.throwIfAborted();
  // A lookup cannot be cancelled; its late answer is ignored.
  let cancel = (): void => undefined;
  const cancelled = new Promise<never>((_, reject) => {
    cancel = () => reject(signal.reason as Error);
  });
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const found = await Promise.race([lookup(name), cancelled]);
    if (found.length > 0) return found;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new EffectFailedError("dns_failed", `cannot resolve \`${name}\``, { cause: error });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  throw new EffectFailedError("dns_failed", `\`${name}\` has no address`);
}
