/**
 * Closes a class of which actions hold instances: what all steps share cannot be changed, and the class is not reached
 * through an instance, so that nobody makes one with parts of his own, a gate that says yes to everything.
 *
 * It is a class at all, and no literal with accessors, because each evaluation of such a literal makes a hidden class of
 * its own, which keeps alive whatever its accessors reach until a full collection: all of the step.
 */
export function closeClass(made: { readonly prototype: object }): void {
  Reflect.deleteProperty(made.prototype, "constructor");
  Object.freeze(made.prototype);
}
