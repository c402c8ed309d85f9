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
