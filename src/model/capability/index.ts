export type { Capability, Resource, SegmentsResource } from "./capability.js";
export { covers, overlaps } from "./covers.js";
export { indexKeys } from "./index-keys.js";
export { capability } from "./literal.js";
export type { NetResource } from "./net-resource.js";
export { exceptPattern, formatCapability, parseCapability, parseRequirement, parseScope } from "./parse.js";
