import { readPlainResource } from "./plain-resource.js";
import type { PlainText } from "./plain-text.js";
import type { Resource } from "./resource.js";

/** The bits of one index into a text of at most 1,024 characters, the one past its end included. */
const INDEX_BITS = 11;
const INDEX = (1 << INDEX_BITS) - 1;

/**
 * `domain:action[:resource]`, parsed and frozen when it is given out. Made only by the functions of this folder.
 *
 * There is one for each binding in memory, so it is a text and a few small numbers in two words; the resource of a
 * plain text is taken apart when somebody asks for it, which deciding seldom does.
 */
export class Capability {
  /** Canonical text (C4). `parseCapability(text)` gives an equal value, except for what `exceptPattern` made. */
  readonly text: string;
  /** `domainEnd` and `actionEnd`. */
  readonly #head: number;
  /** `bodyStart`, `literalEnd` (0: not plain) and `wildcards`. */
  readonly #body: number;
  /** `null`: not taken apart yet. */
  #resource: Resource | undefined | null;

  private constructor(text: string, at: Omit<PlainText, "route">, resource: Resource | undefined | null) {
    this.text = text;
    this.#head = at.domainEnd | (at.actionEnd << INDEX_BITS);
    this.#body = at.bodyStart | (at.literalEnd << INDEX_BITS) | (at.wildcards << (2 * INDEX_BITS));
    this.#resource = resource;
  }

  /** From a text that stands in canonical form already. */
  static plain(text: string, at: PlainText): Capability {
    return frozen(new Capability(text, at, null));
  }

  /**
   * The same, of what is asked for, which no caller of the package gets to see: each step makes one, and to freeze it
   * would take a fifth of the time that reading takes.
   */
  static plainRequirement(text: string, at: PlainText): Capability {
    return new Capability(text, at, null);
  }

  /** From a text that the whole grammar has read. */
  static read(
    domain: string,
    action: string,
    text: string,
    wildcards: number,
    resource: Resource | undefined,
  ): Capability {
    const domainEnd = domain.length;
    const actionEnd = domainEnd + 1 + action.length;
    const at = { domainEnd, actionEnd, bodyStart: actionEnd + 1, literalEnd: 0, wildcards };
    return frozen(new Capability(text, at, resource));
  }

  get domain(): string {
    return this.text.slice(0, this.domainEnd);
  }

  /** `*` in grants only; `parseRequirement` refuses it. */
  get action(): string {
    return this.text.slice(this.domainEnd + 1, this.actionEnd);
  }

  /**
   * How wide it is, to choose the narrowest of several (D3): its `*` and `**`, the action's too. A `net`
   * resource without a path counts as if it ended in `**`; no resource at all counts as more than any
   * text may have.
   */
  get wildcards(): number {
    return this.#body >>> (2 * INDEX_BITS);
  }

  /** Undefined: every resource of the domain and action (C2). */
  get resource(): Resource | undefined {
    if (this.#resource === null) this.#resource = readPlainResource(this.text, this);
    return this.#resource;
  }

  /** Whether the indices below mean anything; else only `resource` says what the text means. */
  get isPlain(): boolean {
    return this.literalEnd !== 0;
  }

  get domainEnd(): number {
    return this.#head & INDEX;
  }

  get actionEnd(): number {
    return actionEndIn(this.#head);
  }

  /** See `PlainText`. */
  get bodyStart(): number {
    return bodyStartIn(this.#body);
  }

  get literalEnd(): number {
    return literalEndIn(this.#body);
  }

  /** With `body` all indices in two numbers, for who keeps them beside something else. */
  get head(): number {
    return this.#head;
  }

  get body(): number {
    return this.#body;
  }
}

export function actionEndIn(head: number): number {
  return head >>> INDEX_BITS;
}

export function bodyStartIn(body: number): number {
  return body & INDEX;
}

export function literalEndIn(body: number): number {
  return (body >>> INDEX_BITS) & INDEX;
}

function frozen(capability: Capability): Capability {
  Object.freeze(capability);
  return capability;
}
