import { resolve } from "node:path";
import type { State } from "../../model/state.js";
import type { CaseFile } from "../../policy/case-file.js";
import type { PolicyDocument } from "../../policy/file.js";
import { type CaseOutcome, runCases, stateOfPolicy } from "../../policy/run-cases.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { readCases, readPolicy } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { alignedLines } from "../table.js";
import { withImage } from "../with-image.js";

interface TestOptions extends CommonOptions {
  readonly policy?: string;
}

/** `synapse policy test`: everything is read before anything is decided; nothing is written anywhere. */
export const execute: Execute<TestOptions> = async (context, files, options) => {
  const now = Date.now();
  const outcomes: { readonly file: string; readonly outcome: CaseOutcome }[] = [];
  for (const name of files) {
    const cases = await readCases(context, name);
    const { state, root } = await subjectOf(context, cases, options.policy);
    for (const outcome of runCases(cases.casesUnder(root), state, now))
      outcomes.push({ file: name, outcome });
  }
  const missed = outcomes.filter(({ outcome }) => !outcome.passed).length;
  for (const { file, outcome } of outcomes) {
    if (context.json) context.document(caseJson(file, outcome));
    else printCase(context, file, outcome);
  }
  const passed = outcomes.length - missed;
  if (context.json) context.document({ passed, missed });
  else context.out.line(`${passed} passed, ${missed} missed`);
  return missed === 0 ? exitCode.done : exitCode.failed;
};

/** The policy named on the command line, else the one that the file names, else what the database has. */
async function subjectOf(
  context: CommandContext,
  cases: CaseFile,
  named: string | undefined,
): Promise<{ readonly state: State; readonly root: string }> {
  const file = named ?? (cases.policy === undefined ? undefined : resolve(cases.folder, cases.policy));
  if (file === undefined) {
    return withImage(context, (image) => ({ state: image.state(), root: cases.folder }));
  }
  const policy: PolicyDocument = await readPolicy(context, file);
  return { state: stateOfPolicy(policy), root: policy.root };
}

function caseJson(file: string, { asked, passed, allowed, reason, explanation }: CaseOutcome): object {
  const { agent, capability, expect, position } = asked;
  return {
    file,
    line: position.line,
    column: position.column,
    agent,
    capability,
    expect,
    expected_reason: asked.reason ?? null,
    allowed,
    reason: reason ?? null,
    passed,
    explanation,
  };
}

function printCase({ out, palette }: CommandContext, file: string, outcome: CaseOutcome): void {
  const { asked, passed, allowed, reason, explanation } = outcome;
  const mark = passed ? { text: "✓ pass", paint: palette.good } : { text: "✗ MISS", paint: palette.bad };
  const place = `${file}:${asked.position.line}:${asked.position.column}`;
  out.lines(alignedLines([[mark, place, asked.agent, asked.capability, asked.expect]]));
  if (passed) return;
  const expected = asked.reason === undefined ? asked.expect : `${asked.expect} (${asked.reason})`;
  const found = allowed ? "allow" : `deny (${reason ?? "?"})`;
  out.lines(alignedLines([["      ", `expected ${expected}, got ${found}: ${explanation}`]]));
}
