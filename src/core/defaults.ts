import { randomUUID } from "node:crypto";
import type { Clock, IdSource } from "./ports.js";

export const systemClock: Clock = Object.freeze({ now: () => Date.now() });

export const systemIds: IdSource = Object.freeze({ next: (kind: string) => `${kind}_${randomUUID()}` });
