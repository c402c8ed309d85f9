import type { Command } from "commander";
import { actor, commitment, notEmpty, verifierKeyText } from "./arguments.js";
import type { CommandKit } from "./command.js";

export const keyOption = [
  "--key <vkey>",
  "the verifier key that you know the log by: name+keyid+base64",
  verifierKeyText,
] as const;
export const unauthenticatedOption = [
  "--unauthenticated",
  "go on without a key: shows what is inside, proves nothing about whose it is",
] as const;

/** Commands over the proofs of the log. */
export function addProofCommands(audit: Command, kit: CommandKit): void {
  kit.attach(
    audit.command("checkpoint").description("sign the log as it stands, and print the signed checkpoint"),
    () => import("./commands/audit-checkpoint.js"),
  );
  kit.attach(
    audit.command("key").description("print the public key that checkpoints are verified with"),
    () => import("./commands/audit-key.js"),
  );
  kit.attach(
    audit
      .command("verify")
      .description("verify every event, checkpoint and table; changes nothing")
      .option("--export <dir>", "verify an exported log instead of the database", notEmpty)
      .option(...keyOption)
      .option("--against <file>", "a checkpoint that was kept elsewhere", notEmpty)
      .option(...unauthenticatedOption),
    () => import("./commands/audit-verify.js"),
  );
  kit.attach(
    audit
      .command("prove")
      .description("print a proof that an event is in the log")
      .argument("<event>", "its id or its number"),
    () => import("./commands/audit-prove.js"),
  );
  kit.attach(
    audit
      .command("check-proof")
      .description("verify a proof; needs no database")
      .argument("<file>", "what `synapse audit prove` printed")
      .option(...keyOption)
      .option(...unauthenticatedOption),
    () => import("./commands/audit-check-proof.js"),
  );
  kit.attach(
    audit
      .command("check-bundle")
      .description("verify a run's bundle; needs no database, runs nothing")
      .argument("<file>", "what `synapse bundle` wrote")
      .option(...keyOption)
      .option(...unauthenticatedOption),
    () => import("./commands/audit-check-bundle.js"),
  );
  kit.attach(
    audit
      .command("consistency")
      .description("verify that the log grew out of an older checkpoint by appending alone")
      .argument("<checkpoint>", "a file")
      .option(...keyOption),
    () => import("./commands/audit-consistency.js"),
  );
  kit.attach(
    audit
      .command("export")
      .description("write the log as files that anybody can verify (C2SP tlog-tiles)")
      .argument("<dir>", "made when it is missing; an earlier export in it is continued"),
    () => import("./commands/audit-export.js"),
  );
  kit.attach(
    audit
      .command("erase")
      .description("remove the bytes behind a commitment for ever; every proof still holds")
      .argument("<ref>", "a commitment, as an event has it", commitment)
      .requiredOption("--by <who>", "who does this, as it will stand in the log", actor)
      .requiredOption("--why <text>", "why, as it will stand in the log", actor),
    () => import("./commands/audit-erase.js"),
  );
  kit.attach(
    audit
      .command("rotate-key")
      .description("replace the key that signs checkpoints; both sign the checkpoint that says so")
      .requiredOption("--by <who>", "who does this, as it will stand in the log", actor),
    () => import("./commands/audit-rotate-key.js"),
  );
}
