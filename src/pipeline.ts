import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { createHandleFactory, type HandleOptions } from "./actions/handles/index.js";
import { environmentSecrets, fileSecrets } from "./actions/handles/secrets.js";
import { createProtectedFiles, type OpenProtectedFiles } from "./actions/handles/protected-files.js";
import { allBuiltinActions } from "./actions/index.js";
import { type Action, ActionRegistry } from "./core/action.js";
import { type AgentFacet, agentFacet } from "./core/agent-facet.js";
import { type Anchor, anchorAt, anchorFault, publishTo } from "./core/anchor.js";
import { AuditMechanism, ledgerOf } from "./core/audit.js";
import { BindingManager } from "./core/binding.js";
import { Checkpointer } from "./core/checkpointer.js";
import { SecureWorkflowExecutor } from "./core/execution.js";
import { RuntimeGuard } from "./core/guard.js";
import { signerBeside } from "./core/key-rotation.js";
import { memorySpaceOf } from "./core/memory-space.js";
import type {
  Clock,
  HandleFactory,
  IdSource,
  Logger,
  McpUpstreams,
  SecretProvider,
  Signer,
} from "./core/ports.js";
import { recoverSteps } from "./core/recovery.js";
import { CapabilityManager, PermissionEnforcer } from "./core/security.js";
import { ephemeralSigner } from "./core/signing-key.js";
import type { StepLimits } from "./core/step-limits.js";
import { driverOf, type Store } from "./core/store.js";
import { AuditUnavailableError } from "./model/errors.js";
import { isIdentifier } from "./model/identifier.js";
import { openStore } from "./stores/sqlite/index.js";

export interface PipelineOptions {
  /** A file path, or `:memory:`. */
  readonly database: string;
  /** Make a missing database. Default true. */
  readonly create?: boolean;
  readonly clock?: Clock;
  readonly ids?: IdSource;
  /** Signs checkpoints of the log; default a key beside the database, made when it is first needed. */
  readonly signer?: Signer;
  /** Which log its checkpoints say they are of, and the name of its key; default `synapse.local/<log id>`. */
  readonly origin?: string;
  /** A checkpoint is made in the background after so many events; default 1,000 … */
  readonly checkpointEvents?: number;
  /** … or so many ms after the first event that none covers; default 10,000. */
  readonly checkpointMs?: number;
  /**
   * Where each checkpoint is published, a file (relative to the working folder) or an http(s) URL that takes GET and
   * PUT. A log that is behind what stands there refuses steps with `audit_unavailable`, and so does one whose anchor
   * cannot be read.
   */
  readonly anchor?: string;
  /** Actions beside the built-in ones. */
  readonly actions?: readonly Action[];
  readonly logger?: Logger;
  /** What relative paths are resolved against and where programs run; default the process' working folder. */
  readonly workingFolder?: string;
  readonly limits?: Partial<StepLimits>;
  /**
   * Resolves `secret://name` inside handles (SEMANTICS H7): a provider of your own, or a folder with a file for
   * each. Default: the environment variables `SYNAPSE_SECRET_<name>`.
   */
  readonly secrets?: SecretProvider | { readonly folder: string };
  /** Folders in which program names are looked up, instead of the usual system ones. */
  readonly programPath?: readonly string[];
  /** Who passes requests of the `mcp` actions on: a gateway. Default nobody, and they fail with `no_upstream`. */
  readonly mcp?: McpUpstreams;
  /** Files that no handle may reach, beside the store's own and applied policies. */
  readonly protectedFiles?: readonly string[];
}

/** The parts of the specification, wired to one log. */
export interface Pipeline {
  readonly capabilityManager: CapabilityManager;
  readonly bindingManager: BindingManager;
  readonly permissionEnforcer: PermissionEnforcer;
  readonly runtimeGuard: RuntimeGuard;
  readonly audit: AuditMechanism;
  readonly executor: SecureWorkflowExecutor;
  readonly actions: ActionRegistry;
  /** Absolute. */
  readonly workingFolder: string;
  /** A signed checkpoint (C2SP signed note) of the log as it stands: keep it where this machine cannot reach. */
  checkpoint(): Promise<string>;
  /** The public key that its checkpoints are verified with, as `name+keyid+base64`. */
  verifierKey(): string;
  /**
   * Replaces the key that checkpoints are signed with by that of another signer of the same name, for example when a
   * key service takes over from the key beside the database. Records `key_rotated`, and has both sign the checkpoint
   * that ends with it. Give the new signer as `signer` from then on; a process that still has the old one makes no
   * more checkpoints. When it fails halfway, calling it again with the same signers finishes it.
   *
   * @param options.by who replaces it, as recorded.
   * @returns the new verifier key, as `name+keyid+base64`.
   * @throws StoreError `invalid_key`, `key_not_in_force`; EvidenceError `invalid_signature`; AuditUnavailableError.
   */
  rotateSigner(next: Signer, options: { readonly by: string }): Promise<string>;
  /** What may be handed to the code of one agent (SEMANTICS A6). */
  forAgent(agentId: string): AgentFacet;
  /** Records what is queued, then releases the database. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a store, records what crashed since it was open last, and wires the parts to it; holds no state of its own, and shares nothing with another pipeline.
 *
 * @throws StoreError when the database cannot be opened.
 */
export async function createPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { clock, ids, limits, logger } = options;
  const workingFolder = realpathSync(options.workingFolder ?? process.cwd());
  // Before anything is opened: a name that is taken must not leave a database open behind it.
  const actions = new ActionRegistry([...allBuiltinActions, ...(options.actions ?? [])]);
  const store = openStore({ database: options.database, create: options.create ?? true });
  const audit = new AuditMechanism({ store, clock, ids, logger });
  const { handles, release } = powersOf(store, audit, workingFolder, options);
  const capabilityManager = new CapabilityManager({ audit });
  const bindingManager = new BindingManager({ audit });
  const permissionEnforcer = new PermissionEnforcer({ audit });
  const runtimeGuard = new RuntimeGuard({ audit, handles, workingFolder, limits });
  const executor = new SecureWorkflowExecutor({ capabilityManager, runtimeGuard, audit });
  const anchor = options.anchor === undefined ? undefined : anchorFrom(options.anchor, workingFolder);
  const origin = originOf(store, options);
  const behind = anchor === undefined ? undefined : await anchorFault(driverOf(store), origin, anchor);
  if (behind !== undefined) ledgerOf(audit).refuseSteps(behind);
  const checkpoints = checkpointerOf(store, audit, options, behind === undefined ? anchor : undefined);
  await recover(audit, logger);
  let closing: Promise<void> | undefined;
  return Object.freeze({
    capabilityManager,
    bindingManager,
    permissionEnforcer,
    runtimeGuard,
    audit,
    executor,
    actions,
    workingFolder,
    checkpoint: async () => (await checkpoints.checkpoint()).note,
    verifierKey: () => checkpoints.verifierKey(),
    rotateSigner: (next: Signer, { by }: { readonly by: string }) => checkpoints.rotate(next, by),
    forAgent: (agentId: string) => {
      if (!isIdentifier(agentId)) throw new TypeError(`\`${String(agentId)}\` is not an agent id`);
      return agentFacet(agentId, executor, permissionEnforcer);
    },
    close: () =>
      (closing ??= checkpoints
        .close()
        .then(() => audit.close())
        .then(() => {
          release();
          store.close();
        })),
  });
}

/** A log that cannot be written can still be read, and runs nothing: whoever opens it next finds the same steps. */
async function recover(audit: AuditMechanism, logger: Logger | undefined): Promise<void> {
  try {
    await recoverSteps(ledgerOf(audit));
  } catch (error) {
    if (!(error instanceof AuditUnavailableError)) throw error;
    logger?.warn({ error }, "steps whose process is gone could not be recorded as unknown");
  }
}

/** The handles, kept out of reach of the store's files and of policies that will be read again (SEMANTICS H2). */
function powersOf(
  store: Store,
  audit: AuditMechanism,
  workingFolder: string,
  options: PipelineOptions,
): { readonly handles: HandleFactory; readonly release: () => void } {
  const anchorFile = options.anchor === undefined || isUrl(options.anchor) ? [] : [options.anchor];
  const own = [...(options.protectedFiles ?? []), ...anchorFile.map((path) => resolve(workingFolder, path))];
  const protection = protectOwnFiles(store, audit, own);
  const handleOptions: HandleOptions = {
    protectedFiles: protection,
    workingFolder,
    memory: memorySpaceOf(ledgerOf(audit)),
    http: { secrets: secretsOf(options.secrets) },
    mcp: options.mcp,
    ...(options.programPath === undefined ? {} : { process: { path: options.programPath } }),
  };
  return { handles: createHandleFactory(handleOptions), release: () => protection.close() };
}

function secretsOf(secrets: PipelineOptions["secrets"]): SecretProvider {
  if (secrets === undefined) return environmentSecrets();
  return "folder" in secrets ? fileSecrets(resolve(secrets.folder)) : secrets;
}

/** Applied policies are read again some day, so they are protected from the moment they are applied. */
function protectOwnFiles(store: Store, audit: AuditMechanism, more: readonly string[]): OpenProtectedFiles {
  const driver = driverOf(store);
  const databases = store.location === ":memory:" ? [] : [store.location];
  const open = () =>
    createProtectedFiles({ databases, files: [...driver.keyFiles(), ...driver.policyFiles(), ...more] });
  let current = open();
  const end = audit.onEvent((event) => {
    if (event.event !== "policy_applied") return;
    current.close();
    current = open();
  });
  return Object.freeze({
    covers: (file) => current.covers(file),
    close: () => {
      end();
      current.close();
    },
  } satisfies OpenProtectedFiles);
}

function anchorFrom(target: string, workingFolder: string): Anchor {
  return anchorAt(isUrl(target) ? target : resolve(workingFolder, target));
}

function isUrl(target: string): boolean {
  return /^https?:\/\//.test(target);
}

function originOf(store: Store, { origin, signer }: PipelineOptions): string {
  return origin ?? signer?.keyName ?? `synapse.local/${driverOf(store).logId()}`;
}

function checkpointerOf(
  store: Store,
  audit: AuditMechanism,
  options: PipelineOptions,
  anchor: Anchor | undefined,
): Checkpointer {
  const driver = driverOf(store);
  const origin = originOf(store, options);
  let ephemeral: Signer | undefined;
  return new Checkpointer(
    ledgerOf(audit),
    () => {
      const [keyFile] = driver.keyFiles();
      if (options.signer !== undefined) return options.signer;
      return keyFile === undefined
        ? (ephemeral ??= ephemeralSigner(origin))
        : signerBeside(driver, keyFile, origin);
    },
    {
      origin,
      events: options.checkpointEvents ?? 1_000,
      ms: options.checkpointMs ?? 10_000,
      logger: options.logger,
      publish: anchor === undefined ? undefined : (note) => publishTo(anchor, note),
    },
  );
}
