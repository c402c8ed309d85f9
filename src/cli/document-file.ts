import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DocumentError, SynapseError } from "../model/errors.js";
import type { CaseFile } from "../policy/case-file.js";
import type { GatewayConfig } from "../gateway/config/config-file.js";
import type { PolicyDocument } from "../policy/file.js";
import type { WorkflowDefinition } from "../workflow/definition.js";
import type { CommandContext } from "./context.js";

/** Of the file; the documents' own limit is in characters and lower. */
const bytesMax = 4 * 1024 * 1024;

/** @throws DocumentError `invalid_workflow`, SynapseError `unreadable_file`. */
export async function readWorkflow({ cwd }: CommandContext, file: string): Promise<WorkflowDefinition> {
  const { parseWorkflow } = await import("../workflow/definition.js");
  return parseWorkflow(await readText(resolve(cwd, file), file), file);
}

/**
 * Policies go by their real path: it is recorded, kept out of reach of agents (SEMANTICS H2), and what `./…`
 * in it is relative to.
 *
 * @throws DocumentError `invalid_policy`, SynapseError `unreadable_file`.
 */
export async function readPolicy({ cwd }: CommandContext, file: string): Promise<PolicyDocument> {
  const { parsePolicy } = await import("../policy/file.js");
  const path = resolve(cwd, file);
  const text = await readText(path, file);
  try {
    return parsePolicy(text, await realpath(path));
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    // As the person named it, who may have no idea where a link leads.
    const { code, line, column, message, hint } = error;
    const what = message.slice(`${error.file}:${line}:${column}: `.length);
    throw new DocumentError(code as "invalid_policy", file, line, column, what, hint);
  }
}

/** @throws DocumentError `invalid_cases`, SynapseError `unreadable_file`. */
export async function readCases({ cwd }: CommandContext, file: string): Promise<CaseFile> {
  const { parseCases } = await import("../policy/case-file.js");
  const path = resolve(cwd, file);
  const text = await readText(path, file);
  // `./…` is compared with the real paths that policies and steps have.
  return parseCases(text, file, dirname(await realpath(path)));
}

/** @throws DocumentError `invalid_gateway_config`, SynapseError `unreadable_file`. */
export async function readGatewayConfig({ cwd, env }: CommandContext, file: string): Promise<GatewayConfig> {
  const { parseGatewayConfig } = await import("../gateway/config/config-file.js");
  const path = resolve(cwd, file);
  return parseGatewayConfig(await readText(path, file), path, env);
}

/** A checkpoint or a proof, as text. @throws SynapseError `unreadable_file`. */
export async function readEvidence({ cwd }: CommandContext, file: string): Promise<string> {
  return readText(resolve(cwd, file), file);
}

async function readText(path: string, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    if ((await stat(path)).isDirectory()) throw unreadable(name, "it is a folder");
    // Not by size: what is read may be a pipe, or a device that never ends.
    for await (const chunk of createReadStream(path, { end: bytesMax })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
  } catch (error) {
    throw error instanceof SynapseError ? error : unreadable(name, reasonOf(error), error);
  }
  if (size > bytesMax) throw unreadable(name, "it is larger than 4 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw unreadable(name, "it is not UTF-8 text", error);
  }
}

function unreadable(name: string, why: string, cause?: unknown): SynapseError {
  return new SynapseError("unreadable_file", `the file \`${name}\` cannot be read: ${why}`, {
    hint: "paths are relative to the working folder",
    cause,
  });
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ENOENT" ? "there is no such file" : message;
}
