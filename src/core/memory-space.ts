import type { Ledger } from "./ledger.js";
import type { MemorySpace } from "./ports.js";

/** The key-value space in the store (SEMANTICS H5): a value is durable when `set` resolves. */
export function memorySpaceOf(ledger: Ledger): MemorySpace {
  return Object.freeze({
    get: async (key: string) => ledger.driver.memoryValue(key),
    set: (key: string, value, agentId) => ledger.submit(agentId, (tx) => tx.setMemory(key, value), "begun"),
  } satisfies MemorySpace);
}
