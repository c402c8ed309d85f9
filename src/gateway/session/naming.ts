import type { GatewayServer } from "../config/server.js";

/** Which server a name that a client uses means, and how a server's names are shown to it. */
export class Naming {
  readonly #servers: readonly GatewayServer[];
  readonly #byAlias: ReadonlyMap<string, GatewayServer>;

  constructor(servers: readonly GatewayServer[]) {
    this.#servers = servers;
    this.#byAlias = new Map(servers.map((server) => [server.alias, server]));
  }

  /** One server keeps its names; of several each name is `alias__name`. */
  get isPrefixed(): boolean {
    return this.#servers.length > 1;
  }

  shown(server: GatewayServer, name: string): string {
    return this.isPrefixed ? `${server.alias}__${name}` : name;
  }

  /** Undefined: no server could be meant. Cut at the first `__`, which no alias holds (config/server.ts). */
  meant(shown: string): { readonly server: GatewayServer; readonly name: string } | undefined {
    const [only] = this.#servers;
    if (!this.isPrefixed) return only === undefined ? undefined : { server: only, name: shown };
    const at = shown.indexOf("__");
    const server = at === -1 ? undefined : this.#byAlias.get(shown.slice(0, at));
    return server === undefined ? undefined : { server, name: shown.slice(at + 2) };
  }
}
