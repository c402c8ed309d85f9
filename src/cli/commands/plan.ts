import { existsSync } from "node:fs";
import { previewPolicy } from "../../policy/apply.js";
import { planWorkflow } from "../../workflow/plan.js";
import type { PlanRow } from "../../workflow/report.js";
import type { Execute } from "../command.js";
import { type CommandContext, type CommonOptions, withPipeline } from "../context.js";
import { readPolicy, readWorkflow } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { inputsFromTexts } from "../input-texts.js";
import { status } from "../palette.js";
import { table } from "../table.js";

interface PlanOptions extends CommonOptions {
  readonly policy?: string;
  readonly input?: ReadonlyMap<string, string>;
}

/** `synapse plan`: decides every step as of now and keeps nothing (SEMANTICS E5, R6). */
export const execute: Execute<PlanOptions> = async (context, [file = ""], options) => {
  const definition = await readWorkflow(context, file);
  const inputs = inputsFromTexts(definition, options.input);
  const policy = options.policy === undefined ? undefined : await readPolicy(context, options.policy);
  const store = policy === undefined ? { create: false } : storeForPreview(context);
  return withPipeline(context, store, async (pipeline) => {
    const state = policy === undefined ? undefined : previewPolicy(pipeline, policy);
    const rows = planWorkflow({ pipeline, definition, inputs, state });
    if (context.json) for (const row of rows) context.document(row);
    else print(context, rows);
    return exitCode.done;
  });
};

/** A policy can be tried before there is a database: then against an empty one, which is not kept either. */
function storeForPreview(context: CommandContext): { readonly create: boolean; readonly database?: string } {
  if (context.database === ":memory:" || existsSync(context.database)) return { create: false };
  context.note(`there is no database at ${context.databaseName}, so this is as for an empty one`);
  return { create: true, database: ":memory:" };
}

function print({ out, palette }: CommandContext, rows: readonly PlanRow[]): void {
  const lines = rows.flatMap((row) => [
    [
      status(decisionOf(row), palette),
      row.step_id,
      row.agent,
      row.action,
      row.capability ?? "-",
      row.reason === "depends_on_run" ? "known only when the steps before it have run" : (row.reason ?? ""),
    ],
    // All or nothing: what it needs beside stands below it (SEMANTICS A5).
    ...row.requires.slice(1).map((also) => ["", "", "", "", also, ""]),
  ]);
  out.lines(table(["DECISION", "STEP", "AGENT", "ACTION", "CAPABILITY", "REASON"], lines, palette.dim));
  const count = (allowed: boolean | null): number => rows.filter((row) => row.allowed === allowed).length;
  out.line();
  out.line(
    `${count(true)} allowed, ${count(false)} denied, ${count(null)} open · nothing was run or recorded`,
  );
}

function decisionOf({ allowed, reason }: PlanRow): string {
  if (allowed === null) return reason === "skipped" ? "skipped" : "depends";
  return allowed ? "allowed" : "denied";
}
