import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { HttpRefusal } from "../../../model/errors.js";
import type { MessageLimits } from "../../protocol/line-reader.js";
import { statelessVersion } from "../../protocol/envelope.js";
import { supportedVersions } from "../../protocol/versions.js";
import type { TokenVerifier } from "../../tokens/verify-token.js";
import type { Front } from "../front.js";
import { BodyBudget } from "./body-budget.js";
import { HttpSessions, type Owner } from "./http-sessions.js";
import { defaultHttpLimits, type HttpLimits } from "./limits.js";
import { readMessage } from "./read-body.js";
import { RefusalLog } from "./refusal-log.js";
import { refuse } from "./refuse.js";
import { endpoint, isMetadataPath, metadataUrl, resourceMetadata } from "./resource-metadata.js";
import { argumentHeaders, isStateless, versionHeader } from "./stateless-request.js";
import { type AllowedOrigins, assertHost, assertOrigin } from "./where-from.js";
import { whoAsks } from "./who-asks.js";

export interface HttpDoorOptions {
  readonly verifier: TokenVerifier;
  /** What tokens have to be for: this gateway's own URL. */
  readonly audience: string;
  /** URLs of OAuth providers whose tokens are believed. */
  readonly issuers: readonly string[];
  readonly allowed: AllowedOrigins;
  readonly message: MessageLimits;
  readonly limits?: Partial<HttpLimits>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly isSuspended: (agentId: string) => boolean;
  /** Begins a session of an agent; the front ends with it. */
  readonly accept: (front: Front, agentId: string) => void;
  /** A line for the operator. It holds no token. */
  readonly log: (text: string) => void;
}

const methods = "POST, GET, DELETE";

/**
 * MCP over streamable HTTP (MCP 2025-11-25, transports), for any number of agents: one endpoint, `/mcp`. Everything
 * that is asked before a message counts as one is asked here, of every request.
 */
export class HttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #sessions: HttpSessions;
  readonly #bodies: BodyBudget;
  readonly #refusals: RefusalLog;
  readonly #metadataUrl: string;
  readonly #server: Server;

  private constructor(options: HttpDoorOptions) {
    this.#options = options;
    const limits = { ...defaultHttpLimits, ...options.limits };
    this.#sessions = new HttpSessions(limits, options.now, options.accept);
    this.#bodies = new BodyBudget(limits.bodiesBytesMax);
    this.#refusals = new RefusalLog(options.log);
    this.#metadataUrl = metadataUrl(options.audience);
    this.#server = createServer(
      {
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        connectionsCheckingInterval: 1_000,
        // Longer than most clients and proxies keep a connection, so that they end it, and not in the middle of a request.
        keepAliveTimeout: 65_000,
      },
      (request, response) => void this.#take(request, response),
    );
    this.#server.maxConnections = limits.connectionsMax;
  }

  /** @throws the error of `listen`: the address is in use, or not one of this machine. */
  static async open(options: HttpDoorOptions, at: { host: string; port: number }): Promise<HttpDoor> {
    const door = new HttpDoor(options);
    try {
      await new Promise<void>((resolve, reject) => {
        door.#server.once("error", reject);
        // Many clients that begin at once wait for their turn; the default of 511 has the kernel turn the others away.
        const backlog = { ...defaultHttpLimits, ...options.limits }.connectionsMax;
        door.#server.listen({ port: at.port, host: at.host, backlog }, () => resolve());
      });
    } catch (error) {
      door.#sessions.close();
      throw error;
    }
    return door;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Takes nothing new. To be called before the gateway ends its sessions; then `close`. */
  refuseSessions(): void {
    this.#sessions.close();
  }

  /** Ends what is left of connections, answers on their way out aside. */
  async close(): Promise<void> {
    this.#sessions.close();
    this.#refusals.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(cut);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that goes away is found out by whoever writes to it.
    response.on("error", () => undefined);
    try {
      await this.#answer(request, response);
    } catch (error) {
      const code = refuse(request, response, error, this.#metadataUrl);
      this.#refusals.add(code);
      if (code === "internal_error")
        this.#options.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { allowed, audience, issuers, verifier, isSuspended } = this.#options;
    assertHost(request, allowed);
    allowPage(assertOrigin(request, allowed), request, response);
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (isMetadataPath(path, audience)) {
      assertMethod(request, ["GET", "HEAD", "OPTIONS"]);
      if (request.method === "OPTIONS") return void response.writeHead(204).end();
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
      return void response.end(JSON.stringify(resourceMetadata(audience, issuers)));
    }
    if (path !== endpoint) throw new HttpRefusal(404, "no_such_path", `the one endpoint is \`${endpoint}\``);
    // A page's question whether it may ask has no token (Fetch, CORS-preflight).
    if (request.method === "OPTIONS" && request.headers.origin !== undefined)
      return void response.writeHead(204).end();
    const owner = await whoAsks(request, verifier, isSuspended);
    if (request.method !== "POST") assertVersion(request);
    switch (request.method ?? "") {
      case "POST":
        return this.#post(request, response, owner);
      case "GET":
        assertAccepts(request, ["text/event-stream"]);
        return this.#sessionOf(request, owner).listen(response, lastEventId(request));
      case "DELETE":
        this.#sessionOf(request, owner).terminate("the client ended the session");
        return void response.writeHead(204).end();
      default:
        return assertMethod(request, []);
    }
  }

  async #post(request: IncomingMessage, response: ServerResponse, owner: Owner): Promise<void> {
    assertAccepts(request, ["application/json", "text/event-stream"]);
    // Before its body is read: nobody else's session is worth the memory. Requests without sessions ignore the header.
    if (request.headers["mcp-session-id"] !== undefined && versionHeader(request) !== statelessVersion)
      this.#sessionOf(request, owner);
    const body = this.#bodies.open(`${owner.issuer} ${owner.agentId}`);
    try {
      await this.#deliver(request, response, owner, body.take);
    } finally {
      body.giveBack();
    }
  }

  async #deliver(
    request: IncomingMessage,
    response: ServerResponse,
    owner: Owner,
    take: (bytes: number) => void,
  ): Promise<void> {
    const isNew = request.headers["mcp-session-id"] === undefined;
    const read = await readMessage(request, this.#options.message, take);
    if (isStateless(read, request)) return this.#askStateless(read, request, response, owner);
    assertVersion(request);
    if (isNew && !(read.kind === "request" && read.message.method === "initialize")) throw missingSession();
    const front = isNew ? this.#sessions.begin(owner) : this.#sessionOf(request, owner);
    await front.post(read, response);
  }

  async #askStateless(
    read: Awaited<ReturnType<typeof readMessage>>,
    request: IncomingMessage,
    response: ServerResponse,
    owner: Owner,
  ): Promise<void> {
    if (read.kind === "request")
      return this.#sessions.stateless(owner).ask(read.message, argumentHeaders(request), response);
    // Nothing is told by a notification here: a request is cancelled by closing its stream (MCP 2026-07-28).
    response.writeHead(202, { "cache-control": "no-store" }).end();
  }

  #sessionOf({ headers }: IncomingMessage, owner: Owner) {
    const id = headers["mcp-session-id"];
    if (typeof id !== "string") throw missingSession();
    return this.#sessions.find(id, owner);
  }
}

function lastEventId({ headers }: IncomingMessage): string | undefined {
  const id = headers["last-event-id"];
  return typeof id === "string" ? id : undefined;
}

function missingSession(): HttpRefusal {
  return new HttpRefusal(400, "session_missing", "begin with `initialize`, then send `Mcp-Session-Id`");
}

function allowPage(origin: string | undefined, { headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader("vary", "origin");
  if (origin === undefined) return;
  // Their names are the tools' own.
  const asked = (headers["access-control-request-headers"] ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => /^mcp-param-[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name));
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-methods", methods);
  response.setHeader(
    "access-control-allow-headers",
    [
      "authorization, content-type, mcp-session-id, mcp-protocol-version, last-event-id, mcp-method, mcp-name",
      ...asked,
    ].join(", "),
  );
  response.setHeader("access-control-expose-headers", "mcp-session-id, www-authenticate");
}

function assertMethod({ method = "" }: IncomingMessage, known: readonly string[]): void {
  if (known.includes(method)) return;
  const allow = known.length === 0 ? methods : known.join(", ");
  throw new HttpRefusal(405, "method_not_allowed", `the methods here are ${allow}`, { allow });
}

/** A request says that it can take an answer of either kind (MCP 2025-11-25, transports). */
function assertAccepts({ headers }: IncomingMessage, types: readonly string[]): void {
  const accepted = (headers.accept ?? "").split(",").map((each) => each.split(";")[0]?.trim().toLowerCase());
  if (accepted.includes("*/*") || types.every((type) => accepted.includes(type))) return;
  throw new HttpRefusal(406, "not_acceptable", `\`Accept\` has to name ${types.join(" and ")}`);
}

/** Absent: a client of a revision before the header. */
function assertVersion(request: IncomingMessage): void {
  const version = versionHeader(request);
  // Without a session there is nothing to GET or to DELETE (MCP 2026-07-28, streamable HTTP).
  if (version === statelessVersion)
    throw new HttpRefusal(405, "method_not_allowed", `${statelessVersion} has POST alone`, { allow: "POST" });
  if (version === undefined || supportedVersions.includes(version)) return;
  const spoken = [...supportedVersions, statelessVersion].join(", ");
  throw new HttpRefusal(
    400,
    "unsupported_version",
    `unsupported protocol version; this gateway speaks ${spoken}`,
  );
}
