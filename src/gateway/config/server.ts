import { type Mapping } from "../mapping/implied.js";
import { recognise, type ReferenceServer, referenceMapping } from "../mapping/reference-servers.js";
import { type CapabilityTemplate } from "../mapping/template.js";
import type { TokenSource } from "../upstream/oauth/token-source.js";

/** How a server is reached. */
export type Transport =
  | {
      readonly kind: "stdio";
      readonly command: string;
      readonly args: readonly string[];
      /** Absolute. */
      readonly cwd: string;
      /** All of it (upstream/environment.ts). */
      readonly env: Readonly<Record<string, string>>;
    }
  | {
      /** Streamable HTTP. */
      readonly kind: "http";
      /** Absolute, http or https. */
      readonly url: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** Where it has tokens of its own from; undefined: what it is sent stands in `headers`. */
      readonly tokens?: TokenSource | undefined;
    };

/** One upstream of a gateway. Frozen. */
export interface GatewayServer {
  /** As the configuration names it: the `<server>` of capabilities. */
  readonly name: string;
  /** What its tools' names begin with when there are several servers. */
  readonly alias: string;
  readonly transport: Transport;
  readonly mapping: Mapping;
}

/**
 * @param reference which reference server it is; undefined: told by its command line.
 * @param own templates that the operator wrote; they replace, tool by tool, what is built in.
 */
export function gatewayServer(
  name: string,
  transport: Transport,
  reference: ReferenceServer | undefined,
  own: ReadonlyMap<string, readonly CapabilityTemplate[]>,
): GatewayServer {
  const kind =
    reference ?? (transport.kind === "stdio" ? recognise(transport.command, transport.args) : undefined);
  const builtin = kind === undefined ? undefined : referenceMapping(kind);
  const local = transport.kind === "stdio";
  const mapping: Mapping = Object.freeze({
    server: name,
    templates: new Map([...(builtin?.tools ?? []), ...own]),
    prompts: builtin?.prompts ?? new Map<string, never>(),
    commandArguments: builtin?.commandArguments ?? [],
    paths: local ? (kind === "filesystem" ? ("lexical" as const) : ("refused" as const)) : undefined,
  });
  return Object.freeze({ name, alias: aliasOf(name), transport: Object.freeze(transport), mapping });
}

/**
 * A server's name as the beginning of tools' names: `alias__tool` is cut at its first `__`, so an alias holds none
 * and does not end in `_`. That makes the pair and the name one for one: `a` and `b__c`, `a__b` and `c` stay apart.
 */
export function aliasOf(name: string): string {
  const alias = name
    .replace(/[^A-Za-z0-9_-]/g, "-")
    .replace(/_{2,}/g, "_")
    .replace(/^_+|_+$/g, "");
  return alias === "" ? "server" : alias;
}
