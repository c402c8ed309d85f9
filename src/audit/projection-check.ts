import type { AuthorityRow, BlobSurvey, LogImage, RunRow } from "../core/log-image.js";
import type { BlobKey } from "../core/store.js";
import type { LinkRecord } from "../model/authority.js";
import type { State } from "../model/state.js";
import type { EventCheck } from "./event-check.js";
import { type Problem, problem } from "./problem.js";
import type { RunFold } from "./run-fold.js";

/**
 * Compares every table that the store decides from with what follows from the log up to where they follow it. Whoever
 * edits one of them grants or takes away authority without an event.
 */
export function* projectionProblems(image: LogImage, events: EventCheck): Generator<Problem> {
  yield* authorityProblems(image, events.state);
  yield* suspensionProblems(image, events);
  yield* openStepProblems(image, events.state);
  yield* events.keyProblems;
  yield* rotationProblems(image, events);
}

/** The lists that are up to date with each event, once the whole log was read. */
export function* listProblems(image: LogImage, { runs }: EventCheck): Generator<Problem> {
  yield* runProblems(image, runs);
  yield* policyProblems(image, runs);
}

function* authorityProblems(image: LogImage, state: State): Generator<Problem> {
  const seen = new Set<string>();
  for (const row of image.authority()) {
    seen.add(row.id);
    const link = state.link(row.id);
    const why = link === undefined ? "no event made it" : linkFault(row, link);
    if (why !== undefined)
      yield projected(`the ${row.kind} \`${row.id}\` in the tables: ${why}`, seqOf(row, link));
    if (link !== undefined && !isWindow(image.rateUses(row.id), link.window?.times ?? []))
      yield projected(
        `the ${row.kind} \`${row.id}\` in the tables: the uses in its rate window are not those of the log`,
        link.createdSeq,
      );
  }
  for (const link of state.links())
    if (!seen.has(link.id))
      yield projected(`the ${link.kind} \`${link.id}\` is missing in the tables`, link.createdSeq);
  for (const id of image.rated())
    if (!seen.has(id))
      yield projected(`a rate window of \`${id}\`, which does not exist, is in the tables`, null);
}

function linkFault(row: AuthorityRow, link: LinkRecord): string | undefined {
  if (row.kind !== link.kind) return `the log made a ${link.kind}`;
  if (row.created_seq !== link.createdSeq)
    return `it is said to be made by event ${row.created_seq}, and was by ${link.createdSeq}`;
  const revoked = link.revokedSeq ?? null;
  if (row.revoked_seq !== revoked) {
    return revoked === null
      ? `it is said to be revoked by event ${String(row.revoked_seq)}, and the log has it in force`
      : `it is said to be ${row.revoked_seq === null ? "in force" : `revoked by event ${row.revoked_seq}`}, and event ${revoked} revoked it`;
  }
  return row.uses === link.uses ? undefined : `it says ${String(row.uses)} uses, the log ${link.uses}`;
}

function seqOf(row: AuthorityRow, link: LinkRecord | undefined): number | null {
  if (link === undefined) return null;
  return row.revoked_seq === (link.revokedSeq ?? null)
    ? link.createdSeq
    : (link.revokedSeq ?? link.createdSeq);
}

function* suspensionProblems(image: LogImage, { state, runs }: EventCheck): Generator<Problem> {
  const table = new Set(image.suspended());
  for (const agent of table)
    if (!state.suspended.has(agent))
      yield projected(
        `agent \`${agent}\` is suspended in the tables alone`,
        runs.suspensions.get(agent) ?? null,
      );
  for (const agent of state.suspended)
    if (!table.has(agent))
      yield projected(
        `agent \`${agent}\` is suspended, and is not in the tables`,
        runs.suspensions.get(agent) ?? null,
      );
}

function* openStepProblems(image: LogImage, state: State): Generator<Problem> {
  const table = new Map<string, number>();
  for (const row of image.openSteps()) table.set(row.request_id, row.seq);
  for (const [id, seq] of table)
    if (state.open.get(id)?.seq !== seq) yield projected(`step \`${id}\` is open in the tables alone`, seq);
  for (const [id, event] of state.open)
    if (!table.has(id))
      yield projected(`step \`${id}\` was authorised and has not ended, and is not in the tables`, event.seq);
}

function* runProblems(image: LogImage, { runs }: RunFold): Generator<Problem> {
  const seen = new Set<string>();
  for (const row of image.runs()) {
    seen.add(row.run_id);
    const run = runs.get(row.run_id);
    const member = run === undefined ? "run_id" : differing(row, run);
    if (member !== undefined)
      yield projected(
        `run \`${row.run_id}\` in the tables: its \`${member}\` is not that of the log`,
        run?.started_seq ?? null,
      );
  }
  for (const run of runs.values())
    if (!seen.has(run.run_id))
      yield projected(`run \`${run.run_id}\` is missing in the tables`, run.started_seq);
}

const runMembers = ["workflow", "status", "started_seq", "started_at", "ended_at", "writer"] as const;

function differing(row: RunRow, run: RunRow): string | undefined {
  return runMembers.find((member) => row[member] !== run[member]);
}

function* policyProblems(image: LogImage, { policies }: RunFold): Generator<Problem> {
  const seen = new Set<string>();
  for (const { name, file } of image.policies()) {
    seen.add(name);
    const policy = policies.get(name);
    if (policy?.file !== file)
      yield projected(
        `the file of policy \`${name}\` in the tables is not that of the log`,
        policy?.seq ?? null,
      );
  }
  for (const [name, { seq }] of policies)
    if (!seen.has(name)) yield projected(`policy \`${name}\` is missing in the tables`, seq);
}

function* rotationProblems(image: LogImage, { rotations }: EventCheck): Generator<Problem> {
  const table = image.rotationRows();
  const known = new Set<unknown>(rotations);
  const other = table.find((seq) => !known.has(seq));
  if (other !== undefined)
    yield projected(`event ${JSON.stringify(other)} replaced the key in the tables alone`, null);
}

/** Bytes behind commitments, once the whole log was read: each must be what its commitment says, and gone only by an event. */
export function* blobProblems({ unlike }: BlobSurvey, events: EventCheck): Generator<Problem> {
  const keyed = (key: BlobKey) => `${key.seq}:${key.ref}`;
  const wrong = new Set(unlike.map(keyed));
  const back = events.back().filter((key) => !wrong.has(keyed(key)));
  const inOrder = [...unlike, ...back].sort((a, b) => a.seq - b.seq || (a.ref < b.ref ? -1 : 1));
  for (const key of inOrder)
    yield wrong.has(keyed(key))
      ? problem("blob_mismatch", `the bytes kept for \`${key.ref}\` are not those that were committed to`)
      : problem("blob_mismatch", `the bytes of \`${key.ref}\` were erased and are back`);
  for (const { ref, seq } of events.lost())
    yield problem(
      "blob_missing",
      `event ${seq}: the bytes of \`${ref}\` are gone, and no event erased them`,
      seq,
    );
}

function projected(message: string, seq: number | null): Problem {
  return problem("projection_mismatch", message, seq);
}

/** The same times in the same order. Numbers count on: only the oldest are ever taken out. */
function isWindow(uses: readonly { readonly n: number; readonly at: number }[], times: readonly number[]) {
  const [first] = uses;
  return (
    uses.length === times.length && uses.every(({ n, at }, i) => at === times[i] && n === (first?.n ?? 0) + i)
  );
}
