import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
export const execute: Execute<CommonOptions> = async () => 0;
