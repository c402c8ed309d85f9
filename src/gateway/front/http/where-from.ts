import type { IncomingMessage } from "node:http";
import { HttpRefusal } from "../../../model/errors.js";

export interface AllowedOrigins {
  /** Host names beside this machine's, lower case, without a port. */
  readonly hosts: readonly string[];
  /** Origins of pages that may ask, as browsers write them: `https://app.example`. */
  readonly origins: readonly string[];
}

const local = ["localhost", "127.0.0.1", "[::1]"];

/**
 * A page of anybody can make its own name resolve to this machine, and its visitor's browser then takes it for the
 * page's own server (DNS rebinding). What the browser cannot be made to hide is the name: it is in `Host`.
 *
 * @throws HttpRefusal `host_not_allowed`
 */
export function assertHost(request: IncomingMessage, { hosts }: AllowedOrigins): void {
  const host = hostNameOf(request.headers.host ?? "");
  if (host !== undefined && (local.includes(host) || hosts.includes(host) || host === addressOf(request)))
    return;
  throw new HttpRefusal(403, "host_not_allowed", "this server is not reached under that name");
}

/**
 * @returns the page's origin; undefined: no page asks.
 * @throws HttpRefusal `origin_not_allowed`
 */
export function assertOrigin(request: IncomingMessage, { origins }: AllowedOrigins): string | undefined {
  const { origin } = request.headers;
  if (origin === undefined || origins.includes(origin)) return origin;
  throw new HttpRefusal(403, "origin_not_allowed", "pages of that origin may not ask here");
}

/** `[::1]:8808` is `[::1]`; anything that is not a name and a port is nothing. */
function hostNameOf(host: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{1,5})?$/.exec(host.toLowerCase())?.[1];
}

/** What the connection was made to: an address in `Host` is not a name that somebody else controls. */
function addressOf({ socket: { localAddress = "" } }: IncomingMessage): string {
  const plain = localAddress.replace(/^::ffff:/, "");
  return plain.includes(":") ? `[${plain}]` : plain;
}
