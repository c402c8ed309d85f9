import { AuditUnavailableError } from "../../model/errors.js";
import type { JsonObject } from "../../model/json.js";
import type { RequestId } from "../protocol/json-rpc.js";
import { GuardedCalls } from "./guarded-calls.js";
import { Naming } from "./naming.js";
import { ResourceOwners } from "./resource-owners.js";
import type { SessionOptions } from "./session.js";
import { SessionRun } from "./session-run.js";
import type { SessionUpstreams } from "./session-upstreams.js";
import type { RequestParts } from "./understood.js";
import { Visibility } from "./visibility.js";

/** What a session stands on whichever revision it speaks: its run, its servers, and the way to the guard. */
export interface Ground {
  readonly requests: RequestParts;
  readonly upstreams: SessionUpstreams;
  readonly gateway: { readonly name: string; readonly version: string };
  /** `related`: the client's requests that a message may be about. */
  readonly toClient: (message: JsonObject, related: readonly RequestId[]) => void;
  readonly log: (server: string, text: string) => void;
  /** Ends the run. Durable when it resolves. */
  end(): Promise<void>;
}

/**
 * Begins the run: durable when it resolves.
 *
 * @param client what the client said of itself.
 */
export async function beginGround(
  { parts, config, agentId, pins, ownFiles, exchange, gateway, log }: SessionOptions,
  upstreams: SessionUpstreams,
  { front, client }: { readonly front: string; readonly client: JsonObject },
  toClient: Ground["toClient"],
): Promise<Ground> {
  const run = await SessionRun.start(parts.audit, {
    front,
    agentId,
    servers: config.servers.map(({ name }) => name),
    client,
    workingFolder: parts.workingFolder,
  });
  const calls = new GuardedCalls(parts, exchange, run, agentId);
  return {
    upstreams,
    gateway,
    toClient,
    log,
    requests: {
      audit: parts.audit,
      run,
      agentId,
      pins,
      calls,
      ownFiles,
      naming: new Naming(config.servers),
      visibility: new Visibility(parts, agentId),
      owners: new ResourceOwners(),
      upstreams: upstreams.all,
    },
    async end() {
      try {
        await run.end();
      } catch (error) {
        if (!(error instanceof AuditUnavailableError)) throw error;
        log("gateway", `the end of the session could not be recorded: ${error.message}`);
      }
      calls.close();
    },
  };
}
