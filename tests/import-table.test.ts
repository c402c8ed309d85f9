/** The shape of the sources: who may import whom, what the model is free of, how long a file is. */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, test } from "vitest";

/** Each room, what it is given, and from which rooms; a room may always import itself. */
const table: { readonly [room: string]: { readonly rooms: string[]; readonly libraries: string[] | "any" } } =
  {
    model: {
      rooms: [],
      libraries: [
        "zod",
        "ajv",
        "re2js",
        "@marcbachmann/cel-js",
        "ipaddr.js",
        "@noble/hashes",
        "@noble/ed25519",
      ],
    },
    core: { rooms: ["model"], libraries: "any" },
    actions: { rooms: ["core", "model"], libraries: "any" },
    stores: { rooms: ["core", "model"], libraries: "any" },
    policy: { rooms: ["core", "model"], libraries: "any" },
    audit: { rooms: ["core", "model"], libraries: "any" },
    workflow: { rooms: ["core", "model", "policy (types only)"], libraries: "any" },
    replay: { rooms: ["audit", "core", "model", "workflow"], libraries: "any" },
    gateway: { rooms: ["actions", "core", "model"], libraries: "any" },
    // Loads no Node module at all (tests/proof/portable.test.ts).
    verify: { rooms: ["model"], libraries: [] },
    "verify.ts": { rooms: ["model", "verify"], libraries: [] },
    "pipeline.ts": { rooms: ["model", "core", "actions", "stores"], libraries: "any" },
    "index.ts": { rooms: ["model", "core", "actions", "stores", "pipeline.ts"], libraries: "any" },
    cli: {
      rooms: [
        "model",
        "core",
        "actions",
        "stores",
        "policy",
        "audit",
        "workflow",
        "replay",
        "gateway",
        "verify",
        "verify.ts",
        "pipeline.ts",
        "index.ts",
      ],
      libraries: "any",
    },
  };

/** The one place of the model that may use Node: hashing. */
const hashFile = "model/sha256.ts";

/** What makes a function give another answer tomorrow, or not at once. */
const impurities: { readonly [name: string]: RegExp } = {
  "the clock": /\bDate\.now\b|\bnew Date\(\)|\bperformance\b/,
  randomness: /\bMath\.random\b|\brandomUUID\b|\bgetRandomValues\b/,
  timers: /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
  "the process": /\bprocess\.|\bglobalThis\b/,
  async: /\basync\b|\bawait\b|\bPromise\b/,
};

const linesMax = 300;

const src = resolve(dirname(fileURLToPath(import.meta.url)), "../src");
const files = (readdirSync(src, { recursive: true }) as string[])
  .filter((file) => file.endsWith(".ts") || file.endsWith(".js"))
  .sort();
/** What has to be JavaScript, since Node loads it from the sources as it is: the threads of the sandbox and the auditor. */
const plain =
  /^(actions\/sandbox\/[a-z-]+|stores\/sqlite\/(file-survey|tree-survey|survey-worker|wal-mover-worker|wal-phase|blob-place))\.js$/;
const builtins = new Set(builtinModules);

interface Import {
  readonly target: string;
  readonly line: number;
  readonly typesOnly: boolean;
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(join(src, file), "utf8"), ts.ScriptTarget.ES2023, true);
}

/** Static, dynamic and type imports, and re-exports. */
function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, typesOnly: boolean) => {
    if (specifier === undefined) return;
    const { line } = source.getLineAndCharacterOfPosition(specifier.getStart(source));
    const target = ts.isStringLiteralLike(specifier) ? specifier.text : "(not a literal)";
    found.push({ target, line: line + 1, typesOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypesOnly(node.importClause));
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    if (ts.isImportTypeNode(node)) add((node.argument as ts.LiteralTypeNode).literal, true);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "require") {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypesOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { namedBindings } = clause;
  if (clause.name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings))
    return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly);
}

const roomOf = (file: string): string => file.split("/")[0] ?? "";
const packageOf = (target: string): string =>
  target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");

/** What is wrong with an import, and what to do instead; undefined when the table allows it. */
function problem(file: string, { target, typesOnly }: Import): string | undefined {
  const room = roomOf(file);
  const row = table[room];
  if (row === undefined)
    return `the room \`${room}\` is not in the table: add it there, and to DESIGN, with what it may import`;
  if (target.startsWith(".")) {
    if (!target.endsWith(".js")) return `\`${target}\` needs the suffix .js`;
    const to = roomOf(relative(src, resolve(src, dirname(file), target.replace(/\.js$/, ".ts"))));
    if (to === room || row.rooms.includes(to)) return undefined;
    if (typesOnly && row.rooms.includes(`${to} (types only)`)) return undefined;
    const hint =
      room === "model" ? "the model imports nothing outside itself" : `it may import ${row.rooms.join(", ")}`;
    return `\`${room}\` may not import \`${to}\`: ${hint}. Move what is shared down, or hand it in through a port (core/ports.ts)`;
  }
  const isBuiltin = target.startsWith("node:") || builtins.has(target);
  if (isBuiltin && !target.startsWith("node:")) return `write \`node:${target}\``;
  if (row.libraries === "any") return undefined;
  if (file === hashFile && target === "node:crypto") return undefined;
  if (!isBuiltin && row.libraries.includes(packageOf(target))) return undefined;
  return `the model is pure and may not use \`${target}\`: do it in core behind a port, and hand the model plain data`;
}

test.each(files)("%s imports only what its room may", (file) => {
  const problems = importsOf(parse(file)).flatMap((each) => {
    const why = problem(file, each);
    return why === undefined ? [] : [`src/${file}:${each.line}: ${why}`];
  });
  expect(problems).toEqual([]);
});

describe("the model is pure", () => {
  test.each(files.filter((file) => roomOf(file) === "model"))("%s", (file) => {
    const lines = codeOf(parse(file)).split("\n");
    const problems = lines.flatMap((line, index) =>
      Object.entries(impurities)
        .filter(([, pattern]) => pattern.test(line))
        .map(
          ([name]) =>
            `src/${file}:${index + 1}: the model may not use ${name}: take the value as a parameter`,
        ),
    );
    expect(problems).toEqual([]);
  });
});

test("no file is over 300 lines", () => {
  const long = files
    .map((file) => ({ file, lines: readFileSync(join(src, file), "utf8").split("\n").length - 1 }))
    .filter(({ lines }) => lines > linesMax)
    .map(
      ({ file, lines }) => `src/${file} has ${lines} lines: split it where one sentence describes each half`,
    );
  expect(long).toEqual([]);
});

test("everything is TypeScript but what runs on a thread of its own, and that is checked all the same", () => {
  const scripts = files.filter((file) => file.endsWith(".js"));
  expect(scripts.filter((file) => !plain.test(file))).toEqual([]);
  const unchecked = scripts.filter(
    (file) => !readFileSync(join(src, file), "utf8").startsWith("// @ts-check\n"),
  );
  expect(unchecked.map((file) => `src/${file}: begin it with // @ts-check`)).toEqual([]);
});

test("files are named for one notion, in kebab-case", () => {
  const odd = files.filter(
    (file) =>
      !/^([a-z0-9-]+\/)*[a-z0-9-]+\.[tj]s$/.test(file) ||
      /(^|[/-])(utils?|helpers?|misc|common)[.-]/.test(file),
  );
  expect(odd.map((file) => `src/${file}: name it for the one thing it is about`)).toEqual([]);
});

test("no suppressed checks", () => {
  const suppressed = files.filter((file) =>
    /@ts-(ignore|nocheck|expect-error)|eslint-disable/.test(readFileSync(join(src, file), "utf8")),
  );
  expect(suppressed.map((file) => `src/${file}: mend what the check found instead of silencing it`)).toEqual(
    [],
  );
});

describe("the checks themselves can fail", () => {
  const found = (file: string, text: string): string[] =>
    importsOf(ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true)).flatMap(
      (each) => problem(file, each) ?? [],
    );

  test.each([
    ["model/a.ts", 'import { x } from "../core/b.js";'],
    ["model/a.ts", 'import "node:fs";'],
    ["model/a.ts", 'import fs from "fs";'],
    ["model/a.ts", 'import { createHash } from "node:crypto";'],
    ["model/a.ts", 'import Database from "better-sqlite3";'],
    ["model/a.ts", 'export { x } from "../index.js";'],
    ["model/a.ts", 'const x = await import("../core/b.js");'],
    ["model/a.ts", 'type X = import("../core/b.js").X;'],
    ["core/a.ts", 'import type { X } from "../actions/b.js";'],
    ["core/a.ts", 'import { x } from "../stores/sqlite/index.js";'],
    ["core/a.ts", 'import { x } from "../index.js";'],
    ["core/a.ts", 'import { x } from "./b";'],
    ["actions/a.ts", 'import { x } from "../stores/b.js";'],
    ["workflow/a.ts", 'import { x } from "../policy/b.js";'],
    ["policy/a.ts", 'import type { X } from "../workflow/b.js";'],
    ["pipeline.ts", 'import { x } from "./workflow/run.js";'],
    ["index.ts", 'import { x } from "./cli/main.js";'],
    ["elsewhere/a.ts", 'import { x } from "../core/b.js";'],
  ])("%s: %s", (file, text) => expect(found(file, text)).toHaveLength(1));

  test.each([
    ["model/sha256.ts", 'import { createHash } from "node:crypto";'],
    ["model/a.ts", 'import { Ajv2020 } from "ajv/dist/2020.js";'],
    ["model/a/b.ts", 'import { x } from "../c.js";'],
    ["core/a.ts", 'import { x } from "../model/b.js"; import "node:fs";'],
    ["workflow/a.ts", 'import type { X } from "../policy/b.js"; import { type Y } from "../policy/b.js";'],
    ["cli/a.ts", 'import { x } from "../workflow/b.js"; import { y } from "../policy/c.js";'],
  ])("%s: %s is fine", (file, text) => expect(found(file, text)).toEqual([]));

  test.each(Object.entries(impurities))("%s is recognised", (name, pattern) => {
    const examples: { [name: string]: string } = {
      "the clock": "const now = Date.now();",
      randomness: "return Math.random();",
      timers: "setTimeout(f, 1);",
      "the process": "process.env.HOME",
      async: "async function f() {}",
    };
    expect(pattern.test(examples[name] ?? "")).toBe(true);
  });
});

/** The text without comments and string contents, line for line. */
function codeOf(source: ts.SourceFile): string {
  const { text } = source;
  let code = "";
  const blank = (part: string) => part.replace(/[^\n]/g, " ");
  const visit = (node: ts.Node): void => {
    if (node.getChildCount(source) > 0) return node.getChildren(source).forEach(visit);
    code += blank(text.slice(code.length, node.getStart(source)));
    const own = node.getText(source);
    code += ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node) ? blank(own) : own;
  };
  visit(source);
  return code;
}
