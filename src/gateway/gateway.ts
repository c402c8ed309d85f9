import { randomBytes } from "node:crypto";
import { ledgerOf } from "../core/audit.js";
import type { GatewayConfig } from "./config/config-file.js";
import type { Front } from "./front/front.js";
import { type OwnFiles, ownFilesOf } from "./mapping/own-files.js";
import { PinLog } from "./pins/pin-log.js";
import type { Exchange } from "./session/exchange.js";
import type { SessionParts } from "./session/guarded-calls.js";
import { RequestStates } from "./session/request-state.js";
import { Session } from "./session/session.js";
import { Spoken } from "./session/stateless-probe.js";

/** How often what other processes wrote is looked for: a binding that was revoked elsewhere changes lists here, ms. */
const refreshMs = 500;

export interface GatewayOptions {
  /** Of a pipeline that was given `exchange` as its `mcp`. */
  readonly parts: SessionParts;
  readonly exchange: Exchange;
  readonly config: GatewayConfig;
  /** Files beside those of the store that no argument of a call may name: where the configuration stands. */
  readonly ownFiles?: readonly string[];
  readonly version: string;
  /** A line for the operator; `server` says what it is about. The text may hold anything: escape it. */
  readonly log: (server: string, text: string) => void;
}

/** A guard between the clients of MCP servers and these servers. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #pins: PinLog;
  readonly #ownFiles: OwnFiles;
  /** Of this process: what was begun before a restart is begun anew. */
  readonly #states = new RequestStates(randomBytes(32));
  readonly #spoken = new Spoken();
  readonly #sessions = new Set<Session>();
  readonly #refresh: NodeJS.Timeout;

  private constructor(options: GatewayOptions, pins: PinLog) {
    this.#options = options;
    this.#pins = pins;
    const ledger = ledgerOf(options.parts.audit);
    this.#ownFiles = ownFilesOf(ledger.driver, options.ownFiles ?? []);
    this.#refresh = setInterval(() => {
      try {
        ledger.refresh();
      } catch (error) {
        // Steps find that out for themselves, and end; here only lists are late.
        options.log(
          "gateway",
          `the log cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }, refreshMs).unref();
  }

  static async open(options: GatewayOptions): Promise<Gateway> {
    return new Gateway(options, await PinLog.open(options.parts.audit));
  }

  /** Begins a session for one client, which acts as `agentId`. */
  accept(front: Front, agentId: string): Session {
    const { parts, exchange, config, version, log } = this.#options;
    const gateway = { name: "synapse-gateway", version };
    const ownFiles = this.#ownFiles;
    const session = new Session(front, {
      ownFiles,
      parts,
      config,
      agentId,
      pins: this.#pins,
      exchange,
      states: this.#states,
      spoken: this.#spoken,
      gateway,
      log,
    });
    this.#sessions.add(session);
    void session.ended.then(() => this.#sessions.delete(session));
    return session;
  }

  /** Whether everything of an agent is denied, as far as this process knows the log (SEMANTICS A7). */
  isSuspended(agentId: string): boolean {
    return ledgerOf(this.#options.parts.audit).state.suspended.has(agentId);
  }

  /** Ends all sessions. The pipeline is closed by whoever opened it, afterwards. */
  async close(why: string): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close(why)));
    clearInterval(this.#refresh);
    this.#pins.close();
    this.#ownFiles.close();
  }
}
