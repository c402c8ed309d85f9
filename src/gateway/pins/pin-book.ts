import { type AuditEvent, textMember } from "../../model/event.js";
import { skeletonOf } from "./near-equal.js";

export type WithheldReason = "changed" | "suspicious_text" | "near_equal_name";

/** What the log says of one tool of one server. */
export interface Pin {
  readonly server: string;
  readonly tool: string;
  /** Hash of the definition that may be listed and called; undefined: none was ever accepted. */
  readonly pinned: string | undefined;
  /** A definition that waits for a person. */
  readonly withheld: Withheld | undefined;
}

export interface Withheld {
  readonly hash: string;
  readonly reason: WithheldReason;
  readonly detail: string;
  /** Commitment to the definition … */
  readonly definition: string;
  /** … by this event. */
  readonly seq: number;
}

export const pinEvents: readonly string[] = Object.freeze([
  "mcp_tool_pinned",
  "mcp_tool_withheld",
  "mcp_pin_accepted",
]);

/** What is pinned: a fold over the events that say so. */
export class PinBook {
  readonly #pins = new Map<string, Pin>();
  readonly #bySkeleton = new Map<string, Pin[]>();

  /** Folds the next event; others than those of pins change nothing. */
  fold(event: AuditEvent): void {
    if (!pinEvents.includes(event.event)) return;
    const [server, tool, hash] = ["server", "tool", "hash"].map((name) => textMember(event, name)) as [
      string,
      string,
      string,
    ];
    const before = this.pin(server, tool);
    if (event.event === "mcp_tool_withheld") {
      const withheld: Withheld = {
        hash,
        reason: textMember(event, "reason") as WithheldReason,
        detail: textMember(event, "detail"),
        definition: textMember(event, "definition_commitment"),
        seq: event.seq,
      };
      this.#put({ server, tool, pinned: before?.pinned, withheld });
    } else {
      const withheld = before?.withheld?.hash === hash ? undefined : before?.withheld;
      this.#put({ server, tool, pinned: hash, withheld });
    }
  }

  pin(server: string, tool: string): Pin | undefined {
    return this.#pins.get(keyOf(server, tool));
  }

  /** In the order in which they were first seen. */
  pins(): Iterable<Pin> {
    return this.#pins.values();
  }

  /** A pinned tool that this one could be taken for. The same name at two servers is told apart by the prefix. */
  nearEqual(tool: string): Pin | undefined {
    return this.#bySkeleton
      .get(skeletonOf(tool))
      ?.find((other) => other.pinned !== undefined && other.tool !== tool);
  }

  #put(pin: Pin): void {
    const key = keyOf(pin.server, pin.tool);
    const skeleton = skeletonOf(pin.tool);
    const others = (this.#bySkeleton.get(skeleton) ?? []).filter(
      (each) => keyOf(each.server, each.tool) !== key,
    );
    this.#bySkeleton.set(skeleton, [...others, pin]);
    this.#pins.set(key, pin);
  }
}

function keyOf(server: string, tool: string): string {
  return JSON.stringify([server, tool]);
}
