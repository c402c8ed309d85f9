// Captured at import: what was patched later neither sees nor makes what actions are given.
const { assign, create, defineProperty, entries, freeze, getOwnPropertyDescriptors } = Object;

/**
 * Closes a class of which actions hold instances: what all steps share cannot be changed, and the class is not reached
 * through an instance, so that nobody makes one with parts of his own, a gate that says yes to everything.
 *
 * It is a class at all, and no literal with accessors, because each evaluation of such a literal makes a hidden class of
 * its own, which keeps alive whatever its accessors reach until a full collection: all of the step.
 *
 * @returns what finishes an instance: its getters become members of its own, as those of a literal are, so that
 *   `{ ...instance }` has them, and it is frozen.
 */
export function closeClass<T extends object>(made: { readonly prototype: T }): (instance: T) => T {
  Reflect.deleteProperty(made.prototype, "constructor");
  const getters = entries(getOwnPropertyDescriptors(made.prototype)).map(
    ([name, getter]) =>
      [name, assign(create(null), getter, { enumerable: true }) as PropertyDescriptor] as const,
  );
  freeze(made.prototype);
  return (instance) => {
    for (let n = 0; n < getters.length; n++) {
      const [name, descriptor] = getters[n] as (typeof getters)[number];
      defineProperty(instance, name, descriptor);
    }
    return freeze(instance);
  };
}
