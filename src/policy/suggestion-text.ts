import type { JsonObject } from "../model/json.js";
import { formatInstant } from "../model/time.js";
import type { ObservedPart } from "./observe.js";
import { isCounted, type SuggestedGrant } from "./suggested-grant.js";
import type { Terms } from "./terms.js";

const shownMax = 3;

/** A suggestion in the file format of `policy apply`, with a comment beside each line that says more than was done. */
export function suggestionText(
  name: string,
  grants: readonly SuggestedGrant[],
  { agentId, runId, uses }: ObservedPart & { readonly uses: number },
): string {
  const of = [
    ...(agentId === undefined ? [] : [`agent ${agentId}`]),
    ...(runId === undefined ? [] : [`run ${runId}`]),
  ];
  const lines = [
    `# The least policy for what was done${of.length === 0 ? "" : ` by ${of.join(" in ")}`}: ${uses} uses of authority.`,
    "# Read it before you apply it: it allows what happened, whether or not that was right.",
    "version: 1",
    `name: ${quoted(name)}`,
    "contracts:",
  ];
  const names = contractNames(grants);
  grants.forEach((grant, index) => {
    lines.push(`  ${quoted(names[index] ?? "")}:`);
    lines.push(`    capability: ${quoted(grant.capability)}`);
    lines.push(`    issued_to: ${quoted(grant.agent)}`);
    lines.push(...termLines(grant.contract));
  });
  lines.push("agents:");
  for (const agent of new Set(grants.map((grant) => grant.agent))) {
    lines.push(`  ${quoted(agent)}:`);
    grants.forEach((grant, index) => {
      if (grant.agent !== agent) return;
      lines.push(...remarks(grant).map((remark) => `    # ${inComment(remark)}`));
      lines.push(`    - capability: ${quoted(grant.capability)}`);
      lines.push(`      contract: ${quoted(names[index] ?? "")}`);
      lines.push(...termLines(grant.grant).map((line) => `  ${line}`));
    });
  }
  return `${lines.join("\n")}\n`;
}

function termLines({ constraints, expiresAt }: Terms): string[] {
  const document = constraints as unknown as JsonObject;
  return [
    ...(expiresAt === undefined ? [] : [`    expires: ${quoted(formatInstant(expiresAt))}`]),
    ...(Object.keys(document).length === 0 ? [] : [`    constraints: ${plain(document)}`]),
  ];
}

function remarks(suggested: SuggestedGrant): string[] {
  const { generalisedFrom, touched, endedAt, uses } = suggested;
  return [
    ...(generalisedFrom.length === 0
      ? []
      : [`generalised from ${generalisedFrom.length} that were used: ${listed(generalisedFrom)}`]),
    ...(touched.length === 0 ? [] : [`asked for as a pattern; touched: ${listed(touched)}`]),
    ...(isCounted(suggested)
      ? [`counted on its own, and for no more than it was used (${uses === 1 ? "once" : `${uses} times`})`]
      : []),
    ...(endedAt === undefined
      ? []
      : [`what it rested on ended ${formatInstant(endedAt)}; give this an end, too`]),
  ];
}

function listed(texts: readonly string[]): string {
  const more = texts.length - shownMax;
  return texts.slice(0, shownMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function contractNames(grants: readonly SuggestedGrant[]): string[] {
  const counts = new Map<string, number>();
  return grants.map(({ agent }) => {
    const stem = agent.slice(0, 100);
    const n = (counts.get(stem) ?? 0) + 1;
    counts.set(stem, n);
    return `${stem}-${n}`;
  });
}

/** Words that YAML reads as itself stand bare; the rest as JSON, which is YAML. */
function quoted(text: string): string {
  return /^[A-Za-z][A-Za-z0-9._-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : plain(text);
}

/** What no terminal or editor obeys, and no YAML reader takes for a line break. */
function plain(value: string | JsonObject): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Text of agents must not end the comment that it stands in. */
function inComment(text: string): string {
  return plain(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("\\\\", "\\");
}
