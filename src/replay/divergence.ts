import type { JsonValue } from "../model/json.js";

/** The first thing of a step that was not as recorded, both sides of it. */
export interface Divergence {
  /**
   * `decision`: it is decided otherwise; `requirements`: the action requires something else; `effect`: it uses its
   * handles otherwise; `outcome`: it ends otherwise; `journal`: the recorded bytes are not those that were committed to.
   */
  readonly kind: "decision" | "requirements" | "effect" | "outcome" | "journal";
  /** One sentence for people. */
  readonly message: string;
  readonly recorded: JsonValue;
  readonly replayed: JsonValue;
}
