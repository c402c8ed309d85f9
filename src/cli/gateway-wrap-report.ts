import type { Rewritten, ServerOutcome } from "../gateway/wrap/rewrite-config.js";
import { type CommandContext, shellWord } from "./context.js";
import { printable } from "./printable.js";

export interface Report extends Rewritten {
  readonly file: string;
  readonly changed: boolean;
  readonly dryRun: boolean;
  readonly backup: string | undefined;
}

/** Says what became of each server; those that stay outside the gateway are remarked upon on standard error. */
export function report(context: CommandContext, { file, changed, dryRun, backup, servers }: Report): void {
  for (const { name, status, why } of servers)
    if (status === "left_alone") context.note(`\`${name}\` was left as it is: ${why ?? ""}`);
  if (context.json) {
    context.document({
      file,
      changed,
      dry_run: dryRun,
      backup: backup ?? null,
      servers: servers.map(({ name, path, status, why }) => ({ name, path, status, reason: why ?? null })),
    });
    return;
  }
  const { out, palette } = context;
  for (const server of servers) {
    out.line(`${server.name === "" ? '""' : printable(server.name)}: ${words[server.status]}`);
    if (!dryRun || server.change === undefined) continue;
    out.line(palette.bad(`  - ${shown(server.change.from)}`));
    out.line(palette.good(`  + ${shown(server.change.to)}`));
  }
  if (servers.length === 0) out.line("there is no server in it");
  if (dryRun) out.line(changed ? "nothing was written" : "nothing would change");
  else if (!changed) out.line("nothing had to change");
  else if (backup !== undefined) out.line(`as it was before: ${printable(backup)}`);
}

const words: { readonly [status in ServerOutcome["status"]]: string } = {
  wrapped: "goes through the gateway",
  relaunched: "goes through the gateway, and starts this Synapse now",
  already_wrapped: "goes through the gateway already",
  unwrapped: "no longer goes through the gateway",
  not_wrapped: "does not go through the gateway",
  left_alone: "left as it is",
};

function shown(commandLine: readonly string[]): string {
  return printable(commandLine.map(shellWord).join(" "));
}
