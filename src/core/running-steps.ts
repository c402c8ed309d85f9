import type { BindingRecord } from "../model/authority.js";
import { livenessRefusal } from "../model/chain.js";
import { type AuditEvent, textMember } from "../model/event.js";
import { AuditUnavailableError } from "../model/errors.js";
import type { Ledger, Tx } from "./ledger.js";

/** Why a running step was stopped. */
export interface Stop {
  readonly code: "revoked_while_running" | "deadline_exceeded" | "cancelled" | "audit_unavailable";
  readonly message: string;
}

/** A step whose action runs: what it rests on, and the switch that ends it. */
export class RunningStep {
  /** Made when somebody asks for it: most actions are over before anybody listens. */
  #controller: AbortController | undefined;
  readonly stopped: Promise<void>;
  stop: Stop | undefined;
  // Where it stands among those that run (`RunningSteps`): members of its own, so that no built-in takes part.
  runs = false;
  earlier: RunningStep | undefined = undefined;
  later: RunningStep | undefined = undefined;
  #resolve: () => void = () => undefined;

  constructor(
    readonly requestId: string,
    readonly agentId: string,
    readonly bindings: readonly BindingRecord[],
  ) {
    this.stopped = new Promise((resolve) => (this.#resolve = resolve));
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.stop !== undefined) this.#controller.abort(new Error(this.stop.message));
    }
    return this.#controller.signal;
  }

  /** The first stop stands. From here on no handle of the step works. */
  end(stop: Stop): void {
    if (this.stop !== undefined) return;
    this.stop = stop;
    this.#resolve();
    this.#controller?.abort(new Error(stop.message));
  }

  /** Ends it when its authority is gone (SEMANTICS D7). */
  checkAuthority(ledger: Ledger): void {
    if (this.stop !== undefined) return;
    try {
      this.#checkAuthority(ledger);
    } catch (error) {
      this.end(unreadable(error));
    }
  }

  /**
   * The same, after a look at what other processes wrote: before anything is begun. A process that was stopped
   * and wakes up must not go on with what it knew before, until the next look would come.
   */
  checkNow(ledger: Ledger): void {
    this.#checkAfter(ledger, () => ledger.refresh());
  }

  /** Before its action is called, which is right behind the commit that allowed it, unless this process stood still. */
  checkStart(ledger: Ledger): void {
    this.#checkAfter(ledger, () => ledger.refreshUnlessJustWritten());
  }

  #checkAfter(ledger: Ledger, look: () => void): void {
    if (this.stop !== undefined) return;
    try {
      look();
      if (!ledger.closed && !ledger.state.open.has(this.requestId))
        return this.end({ code: "audit_unavailable", message: givenUp });
    } catch (error) {
      return this.end(unreadable(error));
    }
    this.checkAuthority(ledger);
  }

  #checkAuthority(ledger: Ledger): void {
    // Nobody would hear of a revocation any more, and nothing that is done could be recorded.
    if (ledger.closed) return this.end({ code: "audit_unavailable", message: "the pipeline was closed" });
    const now = ledger.now();
    if (ledger.state.suspended.has(this.agentId))
      return this.end(revoked(`agent ${this.agentId} was suspended`));
    for (const binding of this.bindings) {
      // After a failed write the state is read anew: the records held here may be of the old one.
      const current = ledger.state.binding(binding.id);
      if (current === undefined) return this.end(revoked("the binding does not exist any more"));
      const refusal = livenessRefusal(current, now);
      if (refusal !== undefined)
        return this.end(revoked(`${refusal.link.kind} \`${refusal.link.id}\`: ${refusal.detail}`));
    }
  }
}

/** A log that cannot be read may hold a revocation: fail closed. */
function unreadable(error: unknown): Stop {
  const why = error instanceof Error ? error.message : String(error);
  return { code: "audit_unavailable", message: `the log could not be read while the step ran: ${why}` };
}

function revoked(detail: string): Stop {
  return { code: "revoked_while_running", message: `the step's authority ended while it ran: ${detail}` };
}

const givenUp = "another process found this one gone and recorded the outcome as unknown";

/**
 * A process that was stopped for longer than its lease may find its steps given up by another one: what it did
 * is unknown on record, and stays so.
 * @throws AuditUnavailableError
 */
export function assertOpen({ state }: Tx, requestId: string): void {
  if (state.open.has(requestId)) return;
  throw new AuditUnavailableError(givenUp);
}

/** How often foreign revocations and expiries are looked for; the promise is one second (SEMANTICS D7). */
const pollMs = 250;

/**
 * The steps this process is running, for a revocation to find at once. Revocations are rare and steps many: so they
 * are looked through when one comes, and not put into an index each. They are linked: a set that entries come to and
 * leave makes new tables, each reached from the one before, so that all that any of them held lived until a full
 * collection, and an array takes entries through whatever somebody put on `Object.prototype`.
 */
export class RunningSteps {
  readonly #ledger: Ledger;
  #newest: RunningStep | undefined;
  #poll: NodeJS.Timeout | undefined;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    // Called between the commit of a revocation and the return of `unbind`: handles are dead before it returns.
    ledger.listen((event) => this.#onEvent(event));
  }

  add(step: RunningStep): void {
    step.earlier = this.#newest;
    if (this.#newest !== undefined) this.#newest.later = step;
    this.#newest = step;
    step.runs = true;
    this.#poll ??= setInterval(() => this.#look(), pollMs).unref();
  }

  remove(step: RunningStep): void {
    if (!step.runs) return;
    const { earlier, later } = step;
    if (later === undefined) this.#newest = earlier;
    else later.earlier = earlier;
    if (earlier !== undefined) earlier.later = later;
    step.runs = false;
    // One that has ended leads to no other: else a long row of them would be alive by the oldest.
    step.earlier = step.later = undefined;
  }

  #onEvent(event: AuditEvent): void {
    const restsOn = endedBy(event);
    if (restsOn === undefined) return;
    this.#each((step) => {
      if (restsOn(step)) step.checkAuthority(this.#ledger);
    });
  }

  /** Some may be seen twice: whatever is removed meanwhile, none is left out that runs. */
  #each(see: (step: RunningStep) => void): void {
    let step = this.#newest;
    while (step !== undefined) {
      see(step);
      step = step.runs ? step.earlier : this.#newest;
    }
  }

  #look(): void {
    // Where steps follow each other, the timer outlives them until it finds none.
    if (this.#newest === undefined) {
      clearInterval(this.#poll);
      this.#poll = undefined;
      return;
    }
    try {
      this.#ledger.refresh();
      this.#each((step) => step.checkAuthority(this.#ledger));
    } catch (error) {
      this.#each((step) => step.end(unreadable(error)));
    }
  }
}

/** Which steps an event may end; undefined for one that takes no authority away. */
function endedBy(event: AuditEvent): ((step: RunningStep) => boolean) | undefined {
  switch (event.event) {
    case "agent_suspended": {
      const agentId = textMember(event, "agent_id");
      return (step) => step.agentId === agentId;
    }
    case "binding_revoked":
      return restingOn(textMember(event, "binding_id"));
    case "capability_revoked":
      return restingOn(textMember(event, "contract_id"));
    default:
      return undefined;
  }
}

function restingOn(linkId: string): (step: RunningStep) => boolean {
  return ({ bindings }) => bindings.some(({ chain }) => chain.some((link) => link.id === linkId));
}
