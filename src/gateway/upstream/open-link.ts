import type { Transport } from "../config/server.js";
import type { MessageLimits } from "../protocol/line-reader.js";
import type { OpenLink } from "./link.js";
import { stdioLink } from "./stdio-link.js";
import { httpLink } from "./http-link.js";

/** A connection by whatever transport a server has. */
export function openLinkTo(transport: Transport, limits: MessageLimits): OpenLink {
  return transport.kind === "stdio" ? stdioLink(transport, limits) : httpLink(transport, limits);
}
