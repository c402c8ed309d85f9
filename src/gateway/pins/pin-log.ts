import { type AuditMechanism, ledgerOf } from "../../core/audit.js";
import { commitTo } from "../../core/commitment.js";
import { NotFoundError, SynapseError } from "../../model/errors.js";
import type { JsonObject, JsonValue } from "../../model/json.js";
import { type Pin, PinBook, pinEvents, type WithheldReason } from "./pin-book.js";
import { suspicionOf } from "./suspicious-text.js";
import { hashOfTool, pinnedPart } from "./tool-hash.js";

/** A tool as a server describes it, and whether it may be shown and called. */
export interface ToolStanding {
  readonly name: string;
  readonly definition: JsonObject;
  readonly admitted: boolean;
}

interface Candidate {
  readonly name: string;
  readonly tool: JsonObject;
  readonly part: JsonObject;
  readonly hash: string;
  readonly wellFormed: boolean;
}

/** Pins the tools of all servers of a gateway in the log, at first sight, and finds those that changed since. */
export class PinLog {
  readonly #audit: AuditMechanism;
  readonly #book = new PinBook();
  readonly #unsubscribe: () => void;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(audit: AuditMechanism) {
    this.#audit = audit;
    this.#unsubscribe = audit.onEvent((event) => this.#book.fold(event));
  }

  static async open(audit: AuditMechanism): Promise<PinLog> {
    const log = new PinLog(audit);
    const lists = await Promise.all(pinEvents.map((event) => audit.getEvents({ event })));
    for (const event of lists.flat().sort((a, b) => a.seq - b.seq)) log.#book.fold(event);
    return log;
  }

  pins(): Iterable<Pin> {
    return this.#book.pins();
  }

  /** Whether a tool was ever seen. */
  knows(server: string, tool: string): boolean {
    return this.#book.pin(server, tool) !== undefined;
  }

  close(): void {
    this.#unsubscribe();
  }

  /**
   * Says of each tool of a list how it stands; what is seen for the first time, and what changed, is durable in the
   * log before it is told. An entry that is no tool is left out.
   *
   * @throws AuditUnavailableError
   */
  async admit(
    server: string,
    agentId: string,
    tools: readonly JsonValue[],
  ): Promise<readonly ToolStanding[]> {
    const candidates = tools.flatMap((tool) => candidateOf(tool));
    if (candidates.some((each) => this.#isNews(server, each))) {
      // One at a time: two sessions that see a tool at once pin it once.
      const turn = this.#turn.then(() => this.#record(server, agentId, candidates));
      this.#turn = turn.catch(() => undefined);
      await turn;
    }
    return candidates.map(({ name, tool, hash, wellFormed }) => ({
      name,
      definition: tool,
      admitted: wellFormed && this.#book.pin(server, name)?.pinned === hash,
    }));
  }

  /**
   * A person accepts what is withheld: of one tool, or of all of a server.
   *
   * @throws NotFoundError when there is no such tool; SynapseError `nothing_withheld`.
   */
  async accept(server: string, tool: string | undefined, by: string): Promise<readonly Pin[]> {
    const of = [...this.#book.pins()].filter(
      (pin) => pin.server === server && (tool ?? pin.tool) === pin.tool,
    );
    if (of.length === 0)
      throw new NotFoundError(
        "tool",
        tool === undefined ? server : `${server}/${tool}`,
        "synapse gateway pins lists them",
      );
    const waiting = of.filter((pin) => pin.withheld !== undefined);
    if (waiting.length === 0)
      throw new SynapseError("nothing_withheld", "nothing of it waits to be accepted");
    await ledgerOf(this.#audit).submit("#admin", (tx) => {
      for (const pin of waiting) {
        const hash = pin.withheld?.hash ?? "";
        tx.emit({ event: "mcp_pin_accepted", server, tool: pin.tool, hash, by });
      }
    });
    return waiting;
  }

  #isNews(server: string, { name, hash }: Candidate): boolean {
    const pin = this.#book.pin(server, name);
    return pin?.pinned !== hash && pin?.withheld?.hash !== hash;
  }

  async #record(server: string, agentId: string, candidates: readonly Candidate[]): Promise<void> {
    // Skeletons of this very list count too: one server may have both `read_file` and a look-alike of it.
    const beside = new PinBook();
    await ledgerOf(this.#audit).submit(agentId, (tx) => {
      for (const candidate of candidates) {
        if (!this.#isNews(server, candidate)) continue;
        const { name, part, hash } = candidate;
        const pinned = this.#book.pin(server, name)?.pinned;
        const doubt = this.#doubt(pinned, candidate, beside);
        const definition = commitTo(part);
        tx.keep(definition);
        const common = { server, tool: name, hash, agent_id: agentId, definition_commitment: definition.ref };
        const event = tx.emit(
          doubt === undefined
            ? { event: "mcp_tool_pinned", ...common }
            : {
                event: "mcp_tool_withheld",
                ...common,
                ...doubt,
                ...(pinned === undefined ? {} : { pinned }),
              },
        );
        beside.fold(event);
      }
    });
  }

  #doubt(
    pinned: string | undefined,
    { name, part, wellFormed }: Candidate,
    beside: PinBook,
  ): { readonly reason: WithheldReason; readonly detail: string } | undefined {
    const suspicion = wellFormed ? suspicionOf(name, part) : "its definition is not well-formed Unicode";
    if (suspicion !== undefined) return { reason: "suspicious_text", detail: suspicion };
    if (pinned !== undefined)
      return { reason: "changed", detail: "it is not what it was when it was pinned" };
    const near = this.#book.nearEqual(name) ?? beside.nearEqual(name);
    if (near === undefined) return undefined;
    const detail = `it could be taken for \`${near.tool}\` of \`${near.server}\``;
    return { reason: "near_equal_name", detail };
  }
}

function candidateOf(tool: JsonValue): readonly Candidate[] {
  if (typeof tool !== "object" || tool === null || Array.isArray(tool)) return [];
  const definition = tool as JsonObject;
  const { name } = definition;
  // A name longer than this fits into no event and no client.
  if (typeof name !== "string" || name === "" || name.length > 256 || !name.isWellFormed()) return [];
  const part = pinnedPart(definition);
  const text = JSON.stringify(part);
  // The record of what cannot be written in canonical form is of something near it, which is never admitted.
  const mended = text.replace(/\\u(d[89a-f][0-9a-f]{2})/g, "\\ufffd");
  const kept = mended === text ? part : (JSON.parse(mended) as JsonObject);
  return [{ name, tool: definition, part: kept, hash: hashOfTool(kept), wellFormed: mended === text }];
}
