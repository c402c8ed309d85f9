import { EffectFailedError } from "../../model/errors.js";
import { isJsonObject, type JsonObject } from "../../model/json.js";
import type { GatewayServer } from "../config/server.js";
import type { PinLog, ToolStanding } from "../pins/pin-log.js";
import type { RpcResponse } from "../protocol/json-rpc.js";
import { PendingRequests } from "../upstream/pending-requests.js";
import type { UpstreamConnection } from "../upstream/connection.js";
import { allPages, Catalogue, pageOf } from "./catalogue.js";

/** How long all pages of a list may take, ms. */
const listMs = 30_000;

function deadline(ms: number, reason: Error): { readonly signal: AbortSignal; readonly disarm: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(reason), ms);
  return { signal: controller.signal, disarm: () => clearTimeout(timer) };
}

/** One server as one session knows it. */
export class Upstream {
  readonly server: GatewayServer;
  readonly connection: UpstreamConnection;
  readonly catalogue = new Catalogue();
  /** What it asked of the client, and waits for. */
  readonly asked: PendingRequests;
  /** Counts its starts: what was learnt of an earlier one does not hold for a later one. */
  #generation = 0;

  constructor(server: GatewayServer, connection: UpstreamConnection, nextId: () => number) {
    this.server = server;
    this.connection = connection;
    this.asked = new PendingRequests(nextId);
  }

  get name(): string {
    return this.server.name;
  }

  /** Undefined: it does not have it. */
  capability(name: string): JsonObject | undefined {
    const capabilities = this.connection.initialized["capabilities"];
    const value = isJsonObject(capabilities) ? capabilities[name] : undefined;
    return isJsonObject(value) ? value : undefined;
  }

  restarted(): void {
    this.#generation++;
    this.catalogue.forget();
  }

  /**
   * How a tool stands with the definition that the server gives it now; undefined: it does not list it.
   *
   * @param envelope what the client said of itself, where each request says it: lists may depend on it.
   */
  async tool(
    name: string,
    pins: PinLog,
    agentId: string,
    envelope: JsonObject,
  ): Promise<ToolStanding | undefined> {
    await this.connection.ready();
    return this.catalogue.tool(name, async () => {
      // Several calls may wait for it, so none of them cancels it.
      const late = new EffectFailedError("upstream_unavailable", `\`${this.name}\` does not list its tools`);
      const { signal, disarm } = deadline(listMs, late);
      const tools = await allPages(async (params) => {
        const response = await this.connection.askFor("tools/list", params, envelope, signal);
        // A server without tools says so by an error, and lists none.
        return pageOf(response["result"], "tools");
      }).finally(disarm);
      return pins.admit(this.name, agentId, tools);
    });
  }

  /**
   * To be called behind the guard. The call of a tool is sent only to the server that was looked at: one that was
   * restarted meanwhile may have other tools.
   *
   * @param headers that say the same as the message, for servers over HTTP.
   */
  sender(
    message: JsonObject,
    headers?: Readonly<Record<string, string>>,
  ): (signal: AbortSignal) => Promise<RpcResponse> {
    const generation = this.#generation;
    const isCall = message["method"] === "tools/call";
    return async (signal) => {
      await this.connection.ready();
      if (isCall && this.#generation !== generation)
        throw new EffectFailedError("upstream_restarted", `\`${this.name}\` was restarted`);
      return this.connection.request(message, signal, { headers });
    };
  }
}
