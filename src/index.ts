/** The public surface, listed by hand; `tests/public-surface.test.ts` pins it. */
export { createPipeline, type Pipeline, type PipelineOptions } from "./pipeline.js";
export { SecureExecutionContext, SecureWorkflowExecutor, type ContextFields } from "./core/execution.js";
export { CapabilityManager, PermissionEnforcer } from "./core/security.js";
export type { CheckRequest, Decision } from "./core/check.js";
export { RuntimeGuard, type GuardRequest, type StepOptions } from "./core/guard.js";
export { AuditMechanism } from "./core/audit.js";
export { BindingManager } from "./core/binding.js";
export {
  type Action,
  type ActionDefinition,
  ActionRegistry,
  defineAction,
  type Preparation,
} from "./core/action.js";
export { builtinActions } from "./actions/index.js";
export {
  capability,
  covers,
  formatCapability,
  parseCapability,
  type Capability,
} from "./model/capability/index.js";
export { decide } from "./core/decide-history.js";
export { openStore } from "./stores/sqlite/index.js";
export type { Store, EventFilter } from "./core/store.js";
export type { AgentCapabilityBinding, CapabilityContract } from "./core/documents.js";
export type { BindingRequest, ContractRequest } from "./core/authority.js";
export type { ExecutionFailure, ExecutionResult, ExecutionStatus } from "./core/result.js";
export type { AgentFacet } from "./core/agent-facet.js";
export type { Environment } from "./core/environment.js";
export type { StepLimits } from "./core/step-limits.js";
export type {
  Clock,
  Content,
  FsHandle,
  HandleFactory,
  Handles,
  HttpHandle,
  HttpRequest,
  HttpResponse,
  IdSource,
  JsonBytes,
  Logger,
  MemoryHandle,
  ProcessHandle,
  ProcessRequest,
  ProcessResult,
  SecretProvider,
  Signer,
} from "./core/ports.js";
export type { DenialReason } from "./model/denial.js";
export type { AuditEvent } from "./model/event.js";
export type { Constraints } from "./model/constraint/index.js";
export type { JsonObject, JsonValue } from "./model/json.js";
export {
  AuditUnavailableError,
  CapabilitySyntaxError,
  DocumentError,
  EffectDeniedError,
  EffectFailedError,
  InvalidConstraintError,
  InvalidContextError,
  InvalidDataError,
  NoAuthorityError,
  NotFoundError,
  ScriptError,
  StoreError,
  SynapseError,
} from "./model/errors.js";
