import { ledgerOf } from "../../core/audit.js";
import { capability, parseCapability } from "../../model/capability/index.js";
import { couldBeAllowed } from "../../model/could-be-allowed.js";
import { CapabilitySyntaxError } from "../../model/errors.js";
import { widestOf } from "../mapping/template.js";
import type { GatewayServer } from "../config/server.js";
import { resourcesOf } from "./resource-template.js";
import type { SessionParts } from "./guarded-calls.js";

/** What of its servers' lists one agent sees: what it could use with some arguments, and nothing else. */
export class Visibility {
  readonly #parts: SessionParts;
  readonly #agentId: string;

  constructor(parts: SessionParts, agentId: string) {
    this.#parts = parts;
    this.#agentId = agentId;
  }

  tool({ name, mapping }: GatewayServer, tool: string): boolean {
    const templates = mapping.templates.get(tool) ?? [];
    return this.#named("call", name, tool) && templates.every((template) => this.#could(widestOf(template)));
  }

  prompt({ name, mapping }: GatewayServer, prompt: string): boolean {
    const templates = mapping.prompts.get(prompt) ?? [];
    return (
      this.#named("prompt", name, prompt) && templates.every((template) => this.#could(widestOf(template)))
    );
  }

  resource({ name }: GatewayServer, uri: string): boolean {
    return this.#named("read", name, uri);
  }

  /** @param template RFC 6570; each of its expressions stands for anything. */
  resourceTemplate({ name }: GatewayServer, template: string): boolean {
    return this.#asks(() => resourcesOf(name, template).text);
  }

  #named(action: string, server: string, name: string): boolean {
    return this.#asks(() => capability("mcp", action, server, name));
  }

  /** What no capability can name is never allowed, so it is not shown. */
  #asks(text: () => string): boolean {
    try {
      return this.#could(text());
    } catch (error) {
      if (error instanceof CapabilitySyntaxError) return false;
      throw error;
    }
  }

  #could(text: string): boolean {
    const ledger = ledgerOf(this.#parts.audit);
    return couldBeAllowed(this.#agentId, parseCapability(text), ledger.state, ledger.now());
  }
}
