import { resolve } from "node:path";
import { SynapseError } from "../../model/errors.js";
import { type GatewayConfig, gatewayConfig } from "../../gateway/config/config-file.js";
import { type GatewayServer, gatewayServer, type Transport } from "../../gateway/config/server.js";
import { Gateway } from "../../gateway/gateway.js";
import { wrappedServer } from "../../gateway/wrap/wrapped-server.js";
import { Exchange } from "../../gateway/session/exchange.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { readGatewayConfig } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import type { HttpOptions } from "../gateway-http.js";
import { printable } from "../printable.js";
import { packageVersion } from "../version.js";

interface GatewayCommandOptions extends CommonOptions, HttpOptions {
  readonly agent?: string | undefined;
  readonly config?: string | undefined;
  readonly server?: string | undefined;
}

/** `synapse gateway`: standard output belongs to the protocol, so everything for people goes to standard error. */
export const execute: Execute<GatewayCommandOptions> = async (context, words, options) => {
  const config = await configOf(context, words, options);
  const serve = await frontOf(context, options);
  const exchange = new Exchange();
  const ownFiles = options.config === undefined ? [] : [resolve(context.cwd, options.config)];
  const opening = { create: true, mcp: exchange, protectedFiles: ownFiles };
  return withPipeline(context, opening, async (pipeline) => {
    const log = (server: string, text: string): void =>
      context.err.line(`[${printable(server)}] ${printable(text)}`);
    const version = packageVersion();
    const gateway = await Gateway.open({ parts: pipeline, exchange, config, ownFiles, version, log });
    try {
      await serve(gateway, config, log);
    } finally {
      await gateway.close("the gateway was told to end");
    }
    return context.signal.aborted ? exitCode.interrupted : exitCode.done;
  });
};

type Log = (server: string, text: string) => void;

/** What is asked of the command line is asked before anything is opened. */
async function frontOf(
  context: CommandContext,
  options: GatewayCommandOptions,
): Promise<(gateway: Gateway, config: GatewayConfig, log: Log) => Promise<void>> {
  const { http, agent } = options;
  if (http !== undefined) {
    const { serveHttp, httpSettings } = await import("../gateway-http.js");
    const settings = httpSettings(context, { ...options, http });
    return (gateway, config, log) => serveHttp(context, settings, gateway, config, log);
  }
  if (agent === undefined) {
    throw new SynapseError("usage", "neither --agent nor --http is given", {
      hint: "--agent NAME for the client that starts this; --http 127.0.0.1:8808 for clients with tokens",
    });
  }
  const { stdin, stdout } = context.io;
  if (stdin === undefined)
    throw new SynapseError("usage", "there is no standard input to read messages from");
  const { stdioFront } = await import("../../gateway/front/stdio-front.js");
  return async (gateway, config) => {
    const session = gateway.accept(stdioFront(stdin, stdout, config.message), agent);
    const onSignal = (): void => void session.close("the gateway was told to end");
    context.signal.addEventListener("abort", onSignal, { once: true });
    if (context.signal.aborted) onSignal();
    await session.ended;
  };
}

async function configOf(
  context: CommandContext,
  words: readonly string[],
  { config, server }: GatewayCommandOptions,
): Promise<GatewayConfig> {
  if (server !== undefined) return gatewayConfig([singleServer(context, server, words)]);
  if (config === undefined) {
    throw new SynapseError("usage", "the servers are not named", {
      hint: "synapse gateway --config mcp.json --agent assistant",
    });
  }
  if (words.length > 0) {
    throw new SynapseError("usage", "a command behind `--` goes with --server, not with --config", {
      hint: "synapse gateway --help shows how it is used",
    });
  }
  return readGatewayConfig(context, config);
}

/** The form that `gateway wrap` writes: the client starts a gateway for each server, in that server's environment. */
function singleServer({ cwd, env }: CommandContext, name: string, words: readonly string[]): GatewayServer {
  const server = wrappedServer(name, words, env);
  const transport: Transport = server.kind === "stdio" ? { ...server, cwd } : server;
  return gatewayServer(name, transport, undefined, new Map());
}
