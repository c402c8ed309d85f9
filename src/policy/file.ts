import { basename, dirname, extname, resolve } from "node:path";
import { type DocumentPath, type Position, readDocument, type SourceDocument } from "../core/document.js";
import { identifierText } from "../core/document-parts.js";
import { checkShape, type DocumentProblem, throwFirst } from "../core/document-shape.js";
import { canonicalJson } from "../model/canonical.js";
import { didYouMean } from "../model/closest.js";
import type { Constraints } from "../model/constraint/index.js";
import type { JsonObject } from "../model/json.js";
import { buildAuthority } from "./file-authority.js";
import {
  type ContractText,
  type GrantText,
  policyKeysAt,
  policySchema,
  type PolicyDocumentText,
} from "./file-schema.js";

/** What a contract and a grant have in common, checked and in canonical form. */
export interface PolicyAuthority {
  /** Canonical text; relative paths are absolute by now. */
  readonly capability: string;
  /** A resource pattern of the capability's domain; absolute, too. */
  readonly scope: string | undefined;
  readonly constraints: Constraints;
  /** RFC 3339, or a duration from creation; checked, as written. */
  readonly expires: string | undefined;
  readonly delegable: boolean;
  readonly position: Position;
}

export interface PolicyContract extends PolicyAuthority {
  readonly name: string;
  /** An agent id or a glob over ids. */
  readonly issuedTo: string | undefined;
}

export interface PolicyGrant extends PolicyAuthority {
  readonly agent: string;
  /** One of the policy's contracts; undefined: whatever contract covers it. */
  readonly contract: string | undefined;
}

/** A policy file that was read and checked. Frozen. */
export interface PolicyDocument {
  readonly file: string;
  readonly name: string;
  /** Absolute folder that `./…` stands for. */
  readonly root: string;
  readonly contracts: readonly PolicyContract[];
  /** In document order. */
  readonly grants: readonly PolicyGrant[];
  /** The document as plain JSON. */
  readonly source: JsonObject;
}

type Report = (problem: DocumentProblem) => void;

/**
 * Reads a policy file. Nothing is opened: symbolic links in `file` stay as they are, so give the real path
 * when resources are relative (what a handle reaches is compared by real path).
 *
 * @param file the path of the file; relative ones count from the working folder.
 * @throws DocumentError `invalid_policy` at the first problem.
 */
export function parsePolicy(text: string, file: string): PolicyDocument {
  const document = readDocument(text, file, "invalid_policy");
  checkShape(document, policySchema, policyKeysAt);
  // The schema has just accepted this very value; the parsed copy is not used, since it may drop keys.
  const written = document.value as unknown as PolicyDocumentText;
  const problems: DocumentProblem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const root = resolve(dirname(file), written.root ?? ".");
  const contracts = Object.entries(written.contracts ?? {}).map(([name, contract]) =>
    buildContract(document, root, name, contract, report),
  );
  const grants = Object.entries(written.agents ?? {}).flatMap(([agent, list]) =>
    list.map((grant, index) => buildGrant(document, root, ["agents", agent, index], agent, grant, report)),
  );
  checkContractNames(document, written, report);
  if (problems.length === 0) checkDuplicates(document, grants, report);
  const name = written.name ?? basename(file, extname(file));
  if (!identifierText.safeParse(name).success) {
    report({
      offset: 0,
      message: `the file's name \`${name}\` cannot be the policy's name`,
      hint: "give the policy a `name`",
    });
  }
  throwFirst(document, problems);
  return Object.freeze({
    file,
    name,
    root,
    contracts: Object.freeze(contracts),
    grants: Object.freeze(grants),
    source: document.value as JsonObject,
  });
}

function buildContract(
  document: SourceDocument,
  root: string,
  name: string,
  contract: ContractText,
  report: Report,
): PolicyContract {
  const path = ["contracts", name];
  const authority = buildAuthority(
    { document, root, path, capabilityPath: [...path, "capability"], report },
    contract,
  );
  return Object.freeze({ ...authority, name, issuedTo: contract.issued_to });
}

function buildGrant(
  document: SourceDocument,
  root: string,
  path: DocumentPath,
  agent: string,
  grant: GrantText | string,
  report: Report,
): PolicyGrant {
  const isShort = typeof grant === "string";
  const capabilityPath = isShort ? path : [...path, "capability"];
  const authority = buildAuthority(
    { document, root, path, capabilityPath, report },
    isShort ? { capability: grant } : grant,
  );
  return Object.freeze({ ...authority, agent, contract: isShort ? undefined : grant.contract });
}

function checkContractNames(document: SourceDocument, written: PolicyDocumentText, report: Report): void {
  const names = Object.keys(written.contracts ?? {});
  for (const [agent, list] of Object.entries(written.agents ?? {})) {
    list.forEach((grant, index) => {
      if (typeof grant === "string" || grant.contract === undefined || names.includes(grant.contract)) return;
      report({
        offset: document.offsetOf(["agents", agent, index, "contract"]),
        message: `unknown contract \`${grant.contract}\``,
        hint: didYouMean(grant.contract, names) ?? "declare it under `contracts`",
      });
    });
  }
}

/** Twice the same grant is a slip of the pen: two counters, and half of it stays when one is removed. */
function checkDuplicates(document: SourceDocument, grants: readonly PolicyGrant[], report: Report): void {
  const seen = new Map<string, PolicyGrant>();
  const indexes = new Map<string, number>();
  for (const grant of grants) {
    const index = indexes.get(grant.agent) ?? 0;
    indexes.set(grant.agent, index + 1);
    const constraints = grant.constraints as unknown as JsonObject;
    const key = canonicalJson([grant.agent, grant.capability, grant.scope ?? null, constraints]);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, grant);
    else {
      report({
        offset: document.offsetOf(["agents", grant.agent, index]),
        message: `agent \`${grant.agent}\` has \`${grant.capability}\` twice`,
        hint: `it is first given in line ${first.position.line}`,
      });
    }
  }
}
