export type { Capability } from "./capability.js";
export { covers, overlaps } from "./covers.js";
export { depthOf, indexKeys, placeAt, placeOf, placeOfAction, prefixNumbers } from "./index-keys.js";
export { capability } from "./literal.js";
export type { NetResource } from "./net-resource.js";
export { exceptPattern, formatCapability, parseCapability, parseRequirement, parseScope } from "./parse.js";
export type { Resource, SegmentsResource } from "./resource.js";
