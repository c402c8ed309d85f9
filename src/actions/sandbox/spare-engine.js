// @ts-check
import { freshEngine } from "./fresh-engine.js";

/** @import { Engine, EngineKind } from "./fresh-engine.js" */

/** @type {{ readonly kind: string, readonly engine: Promise<Engine | undefined> } | undefined} */
let spare;

/** @param {EngineKind} kind */
const nameOf = ({ memoryBytes, methods }) => `${memoryBytes} ${JSON.stringify(methods)}`;

/**
 * Makes an engine for a script that may come: most of a short script's time is the making. One that was never needed, or
 * cannot be made, is no loss.
 *
 * @param {EngineKind} kind
 */
export function prepareEngine(kind) {
  if (spare?.kind === nameOf(kind)) return;
  spare = { kind: nameOf(kind), engine: freshEngine(kind).catch(() => undefined) };
}

/** @param {EngineKind} kind @returns {Promise<Engine>} that nobody else has */
export async function takeEngine(kind) {
  const prepared = spare?.kind === nameOf(kind) ? spare.engine : undefined;
  spare = undefined;
  return (await prepared) ?? (await freshEngine(kind));
}
