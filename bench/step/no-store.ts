import { createHandleFactory } from "../../src/actions/handles/index.js";
import { ledgerOf } from "../../src/core/audit.js";
import { memorySpaceOf } from "../../src/core/memory-space.js";
import { Store, type StoreTransaction } from "../../src/core/store.js";
import {
  AuditMechanism,
  BindingManager,
  CapabilityManager,
  RuntimeGuard,
  SecureWorkflowExecutor,
} from "../../src/index.js";
import type { AuditEvent } from "../../src/model/event.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { checkedSteps, type CheckedSteps, grantTo } from "./guarded.js";
import type { StepSource } from "./limit.js";

/** It keeps what is granted, and from then on nothing: no store is faster. */
class ForgetfulDriver extends SqliteDriver {
  #forgets = false;

  constructor() {
    super(":memory:", { create: true });
  }

  forget(): void {
    this.#forgets = true;
  }

  override begin(): StoreTransaction | undefined {
    return this.#forgets ? nothing : super.begin();
  }

  override eventsAfter(seq: number): AuditEvent[] {
    return this.#forgets ? [] : super.eventsAfter(seq);
  }
}

const ignored = (): void => undefined;
const nothing: StoreTransaction = {
  eventsAfter: () => [],
  append: ignored,
  putBlob: ignored,
  eraseBlob: ignored,
  setMemory: ignored,
  putLease: ignored,
  removeLease: ignored,
  putCheckpoint: ignored,
  commit: ignored,
  rollback: ignored,
};

/**
 * The same steps with a store that takes no time and keeps nothing: what the guard itself takes, deciding and making
 * records. No way to run, and the bound of what any store could give.
 */
export async function stepsWithoutStore(agents = 64): Promise<StepSource & CheckedSteps> {
  const driver = new ForgetfulDriver();
  const audit = new AuditMechanism({ store: new Store(driver) });
  const workingFolder = process.cwd();
  const handles = createHandleFactory({
    protectedFiles: { covers: () => false },
    workingFolder,
    memory: memorySpaceOf(ledgerOf(audit)),
  });
  const capabilityManager = new CapabilityManager({ audit });
  const runtimeGuard = new RuntimeGuard({ audit, handles, workingFolder });
  await grantTo(agents, { capabilityManager, bindingManager: new BindingManager({ audit }) });
  driver.forget();
  const steps = checkedSteps(new SecureWorkflowExecutor({ capabilityManager, runtimeGuard, audit }), agents);
  return Object.assign(steps, {
    close: async () => {
      await audit.close();
      driver.close();
    },
  });
}
