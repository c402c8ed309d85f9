import type { NetResource } from "./net-resource.js";
import type { Sequence } from "./sequence.js";

/** A resource made of segments: paths, names. */
export interface SegmentsResource {
  readonly kind: "segments";
  /** Begins with `/`. In `os` a program's name and its path are different resources. */
  readonly rooted: boolean;
  readonly sequence: Sequence;
  /** Names every resource of its domain: `**`, and `/**` where resources are paths (C2). */
  readonly everything: boolean;
}

export type Resource = SegmentsResource | NetResource;

/** `domain:action[:resource]`, parsed and frozen. Made only by the functions of this folder. */
export interface Capability {
  readonly domain: string;
  /** `*` in grants only; `parseRequirement` refuses it. */
  readonly action: string;
  /** Canonical text (C4). `parseCapability(text)` gives an equal value, except for what `exceptPattern` made. */
  readonly text: string;
  /**
   * How wide it is, to choose the narrowest of several (D3): its `*` and `**`, the action's too. A `net`
   * resource without a path counts as if it ended in `**`; no resource at all counts as more than any
   * text may have.
   */
  readonly wildcards: number;
  /** Undefined: every resource of the domain and action (C2). */
  readonly resource: Resource | undefined;
}
