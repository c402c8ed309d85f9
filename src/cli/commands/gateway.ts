import { resolve } from "node:path";
import { SynapseError } from "../../model/errors.js";
import { type GatewayConfig, gatewayConfig } from "../../gateway/config/config-file.js";
import { type GatewayServer, gatewayServer, type Transport } from "../../gateway/config/server.js";
import { stdioFront } from "../../gateway/front/stdio-front.js";
import { Gateway } from "../../gateway/gateway.js";
import { wrappedServer } from "../../gateway/wrap/wrapped-server.js";
import { Exchange } from "../../gateway/session/exchange.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { readGatewayConfig } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";
import { packageVersion } from "../version.js";

interface GatewayCommandOptions extends CommonOptions {
  readonly agent: string;
  readonly config?: string | undefined;
  readonly server?: string | undefined;
}

/** `synapse gateway`: standard output belongs to the protocol, so everything for people goes to standard error. */
export const execute: Execute<GatewayCommandOptions> = async (context, words, options) => {
  const { agent } = options;
  const config = await configOf(context, words, options);
  const { stdin, stdout } = context.io;
  if (stdin === undefined)
    throw new SynapseError("usage", "there is no standard input to read messages from");
  const exchange = new Exchange();
  const ownFiles = options.config === undefined ? [] : [resolve(context.cwd, options.config)];
  return withPipeline(
    context,
    { create: true, mcp: exchange, protectedFiles: ownFiles },
    async (pipeline) => {
      const log = (server: string, text: string): void =>
        context.err.line(`[${printable(server)}] ${printable(text)}`);
      const gateway = await Gateway.open({
        parts: pipeline,
        exchange,
        config,
        ownFiles,
        version: packageVersion(),
        log,
      });
      const session = gateway.accept(stdioFront(stdin, stdout, config.message), agent);
      const onSignal = (): void => void session.close("the gateway was told to end");
      context.signal.addEventListener("abort", onSignal, { once: true });
      if (context.signal.aborted) onSignal();
      await session.ended;
      await gateway.close("the session is over");
      return context.signal.aborted ? exitCode.interrupted : exitCode.done;
    },
  );
};

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
