import { existsSync } from "node:fs";
import {
  comparePolicies,
  objectsOfPolicy,
  objectsOfStore,
  type PolicyDifference,
  type PolicyObject,
} from "../../policy/diff.js";
import type { Execute } from "../command.js";
import type { CommandContext, CommonOptions } from "../context.js";
import { readPolicy } from "../document-file.js";
import { exitCode } from "../exit-code.js";
import { jsonLine } from "../printable.js";
import { alignedLines } from "../table.js";
import { withImage } from "../with-image.js";

/** `synapse policy diff`: reads only, whatever it finds. */
export const execute: Execute<CommonOptions> = async (context, [file = "", other]) => {
  const policy = await readPolicy(context, file);
  const old =
    other === undefined
      ? await storedObjects(context, policy.name)
      : objectsOfPolicy(await readPolicy(context, other));
  const differences = comparePolicies(old, objectsOfPolicy(policy), Date.now());
  if (context.json) for (const each of differences) context.document(each);
  else print(context, differences, other ?? context.databaseName);
  return exitCode.done;
};

/** A policy can be looked at before there is a database. */
async function storedObjects(context: CommandContext, name: string): Promise<PolicyObject[]> {
  if (context.database !== ":memory:" && existsSync(context.database))
    return withImage(context, (image) => objectsOfStore(image.state(), name));
  context.note(`there is no database at ${context.databaseName}, so this is as for an empty one`);
  return [];
}

const signs: { readonly [change in PolicyDifference["change"]]: string } = {
  added: "+ added",
  removed: "- removed",
  narrowed: "< narrowed",
  widened: "> WIDENED",
  changed: "? CHANGED",
};

function print(
  { out, palette }: CommandContext,
  differences: readonly PolicyDifference[],
  from: string,
): void {
  if (differences.length === 0) {
    out.line("no differences");
    return;
  }
  const paint = {
    added: palette.warn,
    removed: palette.good,
    narrowed: palette.good,
    widened: palette.bad,
    changed: palette.bad,
  };
  const lines = alignedLines(
    differences.map(({ change, kind, subject, capability }) => [
      { text: signs[change], paint: paint[change] },
      kind,
      subject,
      capability,
    ]),
  );
  differences.forEach(({ aspects }, index) => {
    out.line(lines[index]);
    out.lines(
      alignedLines(
        aspects.map(({ what, relation, from: old, to }) => [
          "   ",
          what,
          `${jsonLine(old)} → ${jsonLine(to)}`,
          relation === "incomparable" ? "cannot be shown to be narrower" : relation,
        ]),
      ),
    );
  });
  const wider = differences.filter(({ widens }) => widens).length;
  out.line();
  out.line(`compared with ${from}: ${differences.length} differences, ${wider} of which may allow more`);
}
