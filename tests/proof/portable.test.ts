import { readFileSync } from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import type * as Verify from "../../src/verify.js";
import * as publicSurface from "../../src/verify.js";
import { entryBytes } from "../../src/model/proof/entry.js";
import { proveInclusion } from "../../src/model/proof/inclusion.js";
import { proofDocument } from "../../src/model/proof/proof-document.js";
import { tilePath, tilesOf } from "../../src/model/proof/tile.js";
import type { AuditEvent } from "../../src/model/event.js";
import { hasher, MemoryLog } from "./fixtures/exported.js";
import { testKey } from "./fixtures/keys.js";
import { authorized } from "./fixtures/small-log.js";

const root = resolve(import.meta.dirname, "../..");
const entry = resolve(root, "src/verify.ts");

interface Module {
  readonly code: string;
  readonly imports: ReadonlyMap<string, string>;
}

/** Every module that is loaded with the entry, by file, and what could not be followed. */
function moduleGraph(): {
  readonly modules: ReadonlyMap<string, Module>;
  readonly builtins: readonly string[];
} {
  const modules = new Map<string, Module>();
  const builtins: string[] = [];
  const visit = (file: string): void => {
    if (modules.has(file)) return;
    const compilerOptions = {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2023,
      removeComments: true,
      esModuleInterop: true,
    };
    const { outputText: code } = ts.transpileModule(readFileSync(file, "utf8"), {
      fileName: file.replace(/\.js$/, ".ts"),
      compilerOptions,
    });
    const imports = new Map<string, string>();
    modules.set(file, { code, imports });
    for (const [, specifier = ""] of code.matchAll(/\brequire\("([^"]+)"\)/g)) {
      if (specifier.startsWith("node:") || builtinModules.includes(specifier))
        builtins.push(`${relative(root, file)}: ${specifier}`);
      else {
        const target = locate(specifier, file);
        imports.set(specifier, target);
        visit(target);
      }
    }
  };
  visit(entry);
  return { modules, builtins };
}

function locate(specifier: string, from: string): string {
  if (!specifier.startsWith(".")) return fileURLToPath(import.meta.resolve(specifier));
  if (from.endsWith(".ts")) return resolve(from, "..", specifier.replace(/\.js$/, ".ts"));
  return createRequire(from).resolve(specifier);
}

/** Runs the modules where nothing is but the language and what browsers, too, have. */
function loadBare(modules: ReadonlyMap<string, Module>): typeof Verify {
  const context = vm.createContext(
    Object.assign(Object.create(null) as object, { TextEncoder, TextDecoder, atob, btoa }),
  );
  const loaded = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const before = loaded.get(file);
    if (before !== undefined) return before.exports;
    const { code, imports } = modules.get(file) as Module;
    const module = { exports: {} };
    loaded.set(file, module);
    const run = vm.runInContext(`(function (exports, module, require) {${code}\n})`, context, {
      // A name of its own: under the real one, coverage would take this text for the module's.
      filename: `portable:${file}`,
    }) as (...parts: readonly unknown[]) => void;
    run(module.exports, module, (specifier: string) => load(imports.get(specifier) as string));
    return module.exports;
  };
  return load(entry) as typeof Verify;
}

describe("the verify subpath", () => {
  const { modules, builtins } = moduleGraph();
  const files = [...modules.keys()].map((file) => relative(root, file));

  it("loads no module of Node, and two packages that load none", () => {
    expect(builtins).toEqual([]);
    const packages = files
      .map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1])
      .filter((name) => name !== undefined);
    expect([...new Set(packages)].sort()).toEqual(["@noble/ed25519", "@noble/hashes"]);
    expect(files).toContain("src/model/proof/grammar.ts");
  });

  it("uses nothing that Node alone has", () => {
    for (const [file, { code }] of modules) {
      if (file.includes("node_modules")) continue;
      // Words inside messages are words, not uses.
      const bare = code.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '""');
      expect(
        bare.match(/\b(?:Buffer|process|__dirname|__filename|setImmediate|globalThis)\b(?!:)/g),
        file,
      ).toBeNull();
    }
  });

  it("verifies a proof, a checkpoint and an export where there is no Node", async () => {
    const bare = loadBare(modules);
    const key = testKey("synapse.local/log", 1);
    const events = authorized().complete("evt_3").events as unknown as readonly AuditEvent[];
    const log = new MemoryLog(events.map(entryBytes));
    const checkpoint = key.checkpoint(5, log.root());
    const document = JSON.stringify(
      proofDocument(events[2] as AuditEvent, proveInclusion(hasher, log.read, 2, 5), checkpoint),
    );
    expect(bare.verifyProofDocument(document, key.vkey).event.id).toBe("evt_3");
    expect(bare.verifyProofDocument(Buffer.from(document), key.vkey).index).toBe(2);
    expect(bare.verifyCheckpoint(checkpoint, key.vkey).size).toBe(5);
    const contents = new Map<string, Uint8Array>([["checkpoint", Buffer.from(checkpoint)]]);
    for (const tile of tilesOf(5)) contents.set(tilePath(tile), log.content(tile));
    const read = async (path: string) => contents.get(path) as Uint8Array;
    const report = await bare.verifyExport(read, key.vkey);
    expect(report.last?.event).toBe("step_execution_completed");

    const forged = document.replace('"seq":3', '"seq":4');
    expect(() => bare.verifyProofDocument(forged, key.vkey)).toThrow(bare.EvidenceError);
    const other = testKey("synapse.local/log", 2).vkey;
    expect(() => bare.verifyCheckpoint(checkpoint, other)).toThrow(bare.EvidenceError);
  });

  it("exports what is listed here and nothing else", () => {
    expect(Object.keys(publicSurface).sort()).toEqual([
      "EvidenceError",
      "eventBytes",
      "grammarChecker",
      "leafHash",
      "parseCheckpoint",
      "parseVerifierKey",
      "printVerifierKey",
      "proofFormat",
      "verifyCheckpoint",
      "verifyConsistency",
      "verifyExport",
      "verifyGrowth",
      "verifyInclusion",
      "verifyProofDocument",
    ]);
  });
});
