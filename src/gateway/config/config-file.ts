import { dirname, resolve } from "node:path";
import { readDocument, type DocumentPath, type SourceDocument } from "../../core/document.js";
import { checkShape } from "../../core/document-shape.js";
import { DocumentError, SynapseError } from "../../model/errors.js";
import { defaultMessageLimits, type MessageLimits } from "../protocol/line-reader.js";
import { type CapabilityTemplate, parseTemplate } from "../mapping/template.js";
import { secureUrl } from "../upstream/oauth/secure-url.js";
import { type TokenSource, tokenSource } from "../upstream/oauth/token-source.js";
import { upstreamEnvironment } from "../upstream/environment.js";
import {
  configKeysAt,
  configSchema,
  type ConfigText,
  type OauthText,
  type ServerSettingsText,
  type ServerText,
} from "./config-schema.js";
import { expandVariables } from "./expand.js";
import { type GatewayServer, gatewayServer, type Transport } from "./server.js";

/** What a gateway stands in front of, and how much it takes. Frozen. */
export interface GatewayConfig {
  readonly servers: readonly GatewayServer[];
  readonly message: MessageLimits;
  /** Requests of one client at a time. */
  readonly inFlightMax: number;
}

export const inFlightMaxDefault = 64;

/** @param servers at least one, under names that differ. */
export function gatewayConfig(
  servers: readonly GatewayServer[],
  limits: { readonly message_bytes?: number | undefined; readonly in_flight?: number | undefined } = {},
): GatewayConfig {
  const message = {
    ...defaultMessageLimits,
    bytesMax: limits.message_bytes ?? defaultMessageLimits.bytesMax,
  };
  return Object.freeze({
    servers: Object.freeze([...servers]),
    message: Object.freeze(message),
    inFlightMax: limits.in_flight ?? inFlightMaxDefault,
  });
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a configuration. The object `mcpServers` (or `servers`) is taken as clients write it.
 *
 * @param file its path; relative folders in it count from its folder.
 * @param env what `${NAME}` stands for, and where servers' environments come from.
 * @throws DocumentError `invalid_gateway_config` at the first problem.
 */
export function parseGatewayConfig(text: string, file: string, env: Environment): GatewayConfig {
  const document = readDocument(text.replace(/^\ufeff/, ""), file, "invalid_gateway_config");
  checkShape(document, configSchema, configKeysAt);
  // The schema has just accepted this very value; the parsed copy is not used, since it may drop keys.
  const written = document.value as ConfigText;
  const section =
    written.mcpServers === undefined && written.servers !== undefined ? "servers" : "mcpServers";
  const entries = Object.entries(written[section] ?? {}).filter(([, entry]) => entry.disabled !== true);
  if (entries.length === 0) {
    throw document.errorAt(0, "it names no MCP server", 'it needs {"mcpServers": {"name": {"command": …}}}');
  }
  const settings = written.synapse?.servers ?? {};
  for (const name of Object.keys(settings)) {
    if (entries.some(([known]) => known === name)) continue;
    throw document.errorAt(
      document.keyOffsetOf(["synapse", "servers", name]),
      `there is no server \`${name}\``,
    );
  }
  const servers = entries.map(([name, entry]) =>
    at(document, [section, name], () =>
      gatewayServer(
        name,
        transportOf(entry, {
          file,
          env,
          oauth: settings[name]?.oauth,
          passed: [...(written.synapse?.pass_env ?? []), ...(settings[name]?.pass_env ?? [])],
        }),
        settings[name]?.kind,
        templatesOf(document, name, settings[name]),
      ),
    ),
  );
  checkAliases(document, section, servers);
  return gatewayConfig(servers, written.synapse?.limits);
}

interface Surroundings {
  readonly file: string;
  readonly env: Environment;
  readonly passed: readonly string[];
  readonly oauth: OauthText | undefined;
}

function transportOf(entry: ServerText, { file, env, passed, oauth }: Surroundings): Transport {
  const expand = (text: string): string => expandVariables(text, env);
  if (entry.command !== undefined) {
    if (oauth !== undefined) throw new SynapseError("invalid_upstream", "`oauth` is for a server at a `url`");
    const own = Object.fromEntries(
      Object.entries(entry.env ?? {}).map(([name, value]) => [name, expand(value)]),
    );
    return {
      kind: "stdio",
      command: expand(entry.command),
      args: Object.freeze((entry.args ?? []).map(expand)),
      cwd: resolve(dirname(file), expand(entry.cwd ?? ".")),
      env: Object.freeze(upstreamEnvironment(env, own, passed)),
    };
  }
  if (entry.url === undefined)
    throw new SynapseError("invalid_upstream", "it has neither a `command` nor a `url`");
  if (entry.type === "sse")
    throw new SynapseError("invalid_upstream", "the transport `sse` of 2024 is not spoken here", {
      hint: "most servers have a streamable HTTP endpoint by now",
    });
  const headers = Object.entries(entry.headers ?? {}).map(([name, value]) => [name, expand(value)] as const);
  const url = checkedUrl(expand(entry.url));
  const tokens = oauth === undefined ? undefined : tokensFor(url, oauth, expand);
  if (tokens !== undefined && headers.some(([name]) => name.toLowerCase() === "authorization"))
    throw new SynapseError("invalid_upstream", "it has both `oauth` and an Authorization header");
  return { kind: "http", url, headers: Object.freeze(headers), tokens };
}

function tokensFor(url: string, written: OauthText, expand: (text: string) => string): TokenSource {
  const issuer = secureUrl(expand(written.issuer));
  // A token for a server over http would pass by everybody on the way to it.
  if (issuer === undefined || secureUrl(url) === undefined)
    throw new SynapseError("invalid_upstream", "with `oauth`, its `url` and `issuer` are https URLs", {
      hint: "http is for this machine alone",
    });
  return tokenSource(url, {
    issuer,
    clientId: expand(written.client_id),
    clientSecret: expand(written.client_secret),
    scope: written.scope,
  });
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new SynapseError("invalid_upstream", "its `url` is not an http or https URL");
  if (url.username !== "" || url.password !== "")
    throw new SynapseError("invalid_upstream", "its `url` holds a user or a password", {
      hint: "send them in an Authorization header",
    });
  return url.href;
}

function templatesOf(
  document: SourceDocument,
  server: string,
  settings: ServerSettingsText | undefined,
): ReadonlyMap<string, readonly CapabilityTemplate[]> {
  const path = ["synapse", "servers", server, "tools"];
  return new Map(
    Object.entries(settings?.tools ?? {}).map(([tool, { requires }]) => [
      tool,
      requires.map((text, index) =>
        at(document, [...path, tool, "requires", index], () => parseTemplate(text)),
      ),
    ]),
  );
}

function checkAliases(document: SourceDocument, section: string, servers: readonly GatewayServer[]): void {
  const seen = new Map<string, string>();
  for (const { name, alias } of servers) {
    const before = seen.get(alias.toLowerCase());
    if (before !== undefined) {
      const what = `the servers \`${before}\` and \`${name}\` would have the same prefix \`${alias}__\``;
      throw document.errorAt(document.keyOffsetOf([section, name]), what, "give one of them another name");
    }
    seen.set(alias.toLowerCase(), name);
  }
}

/** What goes wrong in `read` is told with its place in the file. */
function at<T>(document: SourceDocument, path: DocumentPath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SynapseError) || error instanceof DocumentError) throw error;
    throw document.errorAt(document.offsetOf(path), error.message, error.hint);
  }
}
