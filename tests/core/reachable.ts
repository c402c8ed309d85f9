/**
 * Everything that can be reached from some values through properties and prototypes, non-enumerable ones
 * included. Getters are called as a holder could call them, and count as reached themselves.
 */
export function reachable(roots: readonly unknown[]): Set<unknown> {
  const seen = new Set<unknown>();
  const queue: { readonly value: unknown; readonly receiver: unknown }[] = [];
  const add = (value: unknown, receiver: unknown = value) => queue.push({ value, receiver });
  for (const root of roots) add(root);
  for (const { value, receiver } of queue) {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) continue;
    if (value === globalThis || seen.has(value)) continue;
    seen.add(value);
    add(Object.getPrototypeOf(value), receiver);
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key) ?? {};
      for (const part of Object.values(descriptor)) add(part);
      if (!("value" in descriptor)) add(readAs(value, key, receiver));
    }
  }
  return seen;
}

/** What a getter gives, or what it throws. */
function readAs(holder: object, key: PropertyKey, receiver: unknown): unknown {
  try {
    return Reflect.get(holder, key, receiver) as unknown;
  } catch (error) {
    return error;
  }
}
