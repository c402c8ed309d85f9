import type { Action } from "../../core/action.js";
import type { AuditMechanism } from "../../core/audit.js";
import { SecureExecutionContext, type SecureWorkflowExecutor } from "../../core/execution.js";
import type { McpAnswer } from "../../core/ports.js";
import type { ExecutionResult } from "../../core/result.js";
import type { DenialReason } from "../../model/denial.js";
import { CapabilitySyntaxError, InvalidContextError } from "../../model/errors.js";
import type { JsonObject } from "../../model/json.js";
import { mcpUse } from "../../model/mcp.js";
import type { RpcResponse } from "../protocol/json-rpc.js";
import type { Exchange } from "./exchange.js";
import type { SessionRun } from "./session-run.js";

/** One message as a step. */
export interface GuardedCall {
  readonly action: Action;
  readonly server: string;
  readonly method: string;
  /** Of the message, with names as the server knows them. */
  readonly about: JsonObject;
  /** Of the action. */
  readonly params: JsonObject;
  readonly signal: AbortSignal;
  /** Sends it; called behind a durable authorisation, once. */
  readonly send: (signal: AbortSignal) => Promise<RpcResponse>;
}

/** How it ended. Only `answered` holds anything that the other side said, and it is durable by then. */
export type CallOutcome =
  | { readonly kind: "answered"; readonly response: RpcResponse }
  | { readonly kind: "denied"; readonly reason: DenialReason; readonly id: string | undefined }
  | { readonly kind: "ended"; readonly code: string; readonly id: string | undefined }
  | { readonly kind: "cancelled" };

/** The parts of a pipeline that a session uses. */
export interface SessionParts {
  readonly audit: AuditMechanism;
  readonly executor: SecureWorkflowExecutor;
  readonly workingFolder: string;
}

/** Makes every message of one session that does something a step of its run, decided and recorded by the guard. */
export class GuardedCalls {
  readonly #parts: SessionParts;
  readonly #exchange: Exchange;
  readonly #run: SessionRun;
  readonly #agentId: string;
  readonly #unsubscribe: () => void;
  /** The last deciding or ending event of each call under way, by its trace id. */
  readonly #events = new Map<string, string | undefined>();
  #count = 0;

  constructor(parts: SessionParts, exchange: Exchange, run: SessionRun, agentId: string) {
    this.#parts = parts;
    this.#exchange = exchange;
    this.#run = run;
    this.#agentId = agentId;
    this.#unsubscribe = parts.audit.onEvent((event) => {
      const trace = event["trace_id"];
      if (typeof trace !== "string" || !this.#events.has(trace)) return;
      if (event.event === "step_execution_denied" || event.event === "step_execution_completed")
        this.#events.set(trace, event.id);
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  async perform(call: GuardedCall): Promise<CallOutcome> {
    const n = ++this.#count;
    const traceId = `mcp/${this.#run.runId}/${n}`;
    let response: RpcResponse | undefined;
    const forward = async (signal: AbortSignal): Promise<McpAnswer> => {
      const answer = await call.send(signal);
      response = answer;
      return "error" in answer ? { error: answer["error"] ?? null } : { result: answer["result"] ?? null };
    };
    this.#events.set(traceId, undefined);
    const takeAway = this.#exchange.lay(traceId, { server: call.server, method: call.method, forward });
    try {
      const result = await this.#execute(call, `${n}.${call.action.name}`, traceId);
      this.#run.count(result.status);
      return outcomeOf(result, response, this.#events.get(traceId));
    } finally {
      takeAway();
      this.#events.delete(traceId);
    }
  }

  #execute(call: GuardedCall, stepId: string, traceId: string): Promise<ExecutionResult> {
    const fields = {
      workflowId: this.#run.workflowId,
      stepId,
      agentId: this.#agentId,
      requiredCapability: capabilityOf(call),
      auditReference: this.#run.runId,
      traceId,
    };
    const options = { runId: this.#run.runId, signal: call.signal };
    try {
      const context = new SecureExecutionContext({
        ...fields,
        action: call.action,
        actionParams: call.params,
      });
      return this.#parts.executor.executeStep(context, options);
    } catch (error) {
      if (!(error instanceof InvalidContextError)) throw error;
      // Parameters that are no plain data, such as a key `__proto__`: not a context, so denied with a record (D4).
      return this.#parts.executor.executeStep(fields as unknown as SecureExecutionContext, options);
    }
  }
}

/** The ceiling of the step. Where none can be made of the message, the guard finds that out again, and records it. */
function capabilityOf({ server, method, about }: GuardedCall): string {
  try {
    return mcpUse(server, method, about).capability;
  } catch (error) {
    if (error instanceof CapabilitySyntaxError) return "mcp:request";
    throw error;
  }
}

function outcomeOf(
  result: ExecutionResult,
  response: RpcResponse | undefined,
  id: string | undefined,
): CallOutcome {
  switch (result.status) {
    case "completed":
      return response === undefined
        ? { kind: "ended", code: "no_message", id }
        : { kind: "answered", response };
    case "denied":
      return { kind: "denied", reason: result.reason, id };
    case "cancelled":
      return { kind: "cancelled" };
    case "unknown":
      return { kind: "ended", code: "outcome_unknown", id };
    case "failed":
      return { kind: "ended", code: result.error.code, id };
  }
}
