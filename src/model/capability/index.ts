export type { Capability } from "./capability.js";
export { covers, overlaps } from "./covers.js";
export { ended, hashed, joined } from "./hash.js";
export { indexKeys, routeOf } from "./index-keys.js";
export { capability } from "./literal.js";
export type { NetResource } from "./net-resource.js";
export { exceptPattern, formatCapability, parseCapability, parseRequirement, parseScope } from "./parse.js";
export type { Resource, SegmentsResource } from "./resource.js";
export { ANY_ACTION } from "./route.js";
