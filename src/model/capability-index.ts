import { type Capability, indexKeys } from "./capability/index.js";

interface Node<T> {
  readonly here: T[];
  below: Map<string, Node<T>> | undefined;
}

interface Entry {
  readonly capability: Capability;
}

/**
 * Finds the few grants that could cover a requirement without looking at all of them (SEMANTICS D1).
 *
 * Grants stand in a tree under the literal beginning of their resource. Law: if a grant covers a
 * requirement, its keys are a prefix of the requirement's keys, so a walk down the requirement's keys
 * meets every grant that can cover it; the caller still asks `covers`.
 */
export class CapabilityIndex<T extends Entry> {
  readonly #roots = new Map<string, Node<T>>();

  add(entry: T): void {
    this.#place(entry.capability).here.push(entry);
  }

  /** Removes entries of the same place that `drop` chooses: the dead make room for the living. */
  prune(like: Capability, drop: (entry: T) => boolean): void {
    const { here } = this.#place(like);
    let kept = 0;
    for (const entry of here) if (!drop(entry)) here[kept++] = entry;
    here.length = kept;
  }

  /** Calls `visit` with every entry that may cover `requirement`. */
  candidates(requirement: Capability, visit: (entry: T) => void): void {
    const keys = indexKeys(requirement);
    this.#walk(rootKey(requirement.domain, requirement.action), keys, visit);
    if (requirement.action !== "*") this.#walk(rootKey(requirement.domain, "*"), keys, visit);
  }

  #walk(root: string, keys: readonly string[], visit: (entry: T) => void): void {
    let node = this.#roots.get(root);
    for (let depth = 0; node !== undefined; depth++) {
      for (const entry of node.here) visit(entry);
      const key = keys[depth];
      node = key === undefined ? undefined : node.below?.get(key);
    }
  }

  #place(capability: Capability): Node<T> {
    let node = child(this.#roots, rootKey(capability.domain, capability.action));
    for (const key of indexKeys(capability)) node = child((node.below ??= new Map<string, Node<T>>()), key);
    return node;
  }
}

function rootKey(domain: string, action: string): string {
  return `${domain}:${action}`;
}

function child<T>(map: Map<string, Node<T>>, key: string): Node<T> {
  let node = map.get(key);
  if (node === undefined) {
    node = { here: [], below: undefined };
    map.set(key, node);
  }
  return node;
}
