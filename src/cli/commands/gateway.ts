import { resolve } from "node:path";
import { SynapseError } from "../../model/errors.js";
import { type GatewayConfig, gatewayConfig } from "../../gateway/config/config-file.js";
import { gatewayServer } from "../../gateway/config/server.js";
import { stdioFront } from "../../gateway/front/stdio-front.js";
import { Gateway } from "../../gateway/gateway.js";
import { Exchange } from "../../gateway/session/exchange.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { readGatewayConfig } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";
import { packageVersion } from "../version.js";

interface GatewayCommandOptions extends CommonOptions {
  readonly agent?: string | undefined;
  readonly config?: string | undefined;
  readonly server?: string | undefined;
}

/** `synapse gateway`: standard output belongs to the protocol, so everything for people goes to standard error. */
export const execute: Execute<GatewayCommandOptions> = async (context, words, options) => {
  const { agent } = options;
  if (agent === undefined) {
    throw new SynapseError("usage", "--agent is missing: as which agent does the client act?", {
      hint: "synapse gateway --config mcp.json --agent assistant",
    });
  }
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

/** The client that starts a gateway for one server gives it the environment that it would have given to the server. */
function singleServer({ cwd, env }: CommandContext, name: string, [command, ...args]: readonly string[]) {
  if (command === undefined) {
    throw new SynapseError("usage", "there is no command behind `--`", {
      hint: "synapse gateway --agent assistant --server files -- npx -y @modelcontextprotocol/server-filesystem /data",
    });
  }
  const passed = Object.entries(env).flatMap(([key, value]) =>
    value === undefined || key.startsWith("SYNAPSE_") ? [] : [[key, value] as const],
  );
  const transport = { kind: "stdio", command, args, cwd, env: Object.fromEntries(passed) } as const;
  return gatewayServer(name, transport, undefined, new Map());
}
