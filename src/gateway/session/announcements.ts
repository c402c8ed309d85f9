import type { AuditEvent } from "../../model/event.js";
import type { RpcNotification } from "../protocol/json-rpc.js";

/** Changes that come together are told together, ms. */
const quietMs = 150;

const methods = {
  tools: "notifications/tools/list_changed",
  prompts: "notifications/prompts/list_changed",
  resources: "notifications/resources/list_changed",
} as const;

export type ListName = keyof typeof methods;

/** Tells a client that a list is not what it was: when a server says so, and when its agent's bindings change. */
export class Announcements {
  readonly #send: (message: RpcNotification) => void;
  readonly #due = new Set<ListName>();
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (message: RpcNotification) => void) {
    this.#send = send;
  }

  /** A storm of them is one for each list. */
  changed(...lists: readonly ListName[]): void {
    for (const list of lists) this.#due.add(list);
    this.#timer ??= setTimeout(() => this.#tell(), quietMs);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#due.clear();
  }

  #tell(): void {
    this.#timer = undefined;
    for (const list of this.#due) this.#send({ jsonrpc: "2.0", method: methods[list] });
    this.#due.clear();
  }
}

/** Which list a server's notification is about; undefined: none. */
export function listNamed(method: string): ListName | undefined {
  return (Object.keys(methods) as ListName[]).find((list) => methods[list] === method);
}

/** Whether an event may change what an agent is shown. */
export function concernsLists(event: AuditEvent, agentId: string): boolean {
  switch (event.event) {
    case "binding_created":
    case "binding_revoked":
    case "agent_suspended":
    case "agent_unsuspended":
      return event["agent_id"] === agentId;
    // All that rests on it ends with it, whosever it is.
    case "capability_revoked":
    case "mcp_pin_accepted":
      return true;
    default:
      return false;
  }
}
