import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { wasm } from "../../src/actions/sandbox/wasm.js";
import { confinedImports } from "../../src/actions/sandbox/wasm-imports.js";

const names = "a b c d e f g h i j k l m n o p q r s t".split(" ");
const given = Object.fromEntries(names.map((name) => [name, (): unknown => "the host's own"]));
const memory = () => new wasm.Memory({ initial: 1, maximum: 1 });
type Import = (...args: unknown[]) => unknown;
const confined = (of = memory()) =>
  confinedImports({ a: given }, of, () => 7)["a"] as { [name: string]: Import };

describe("what enters the engine (H5)", () => {
  test("the imports are those of the version that was examined, in the lock file too", () => {
    const { dependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
      readonly dependencies: { readonly [name: string]: string };
    };
    expect(dependencies["quickjs-emscripten-core"]).toBe("0.32.0");
    expect(dependencies["@jitl/quickjs-wasmfile-release-sync"]).toBe("0.32.0");
  });

  test.each<[string, { readonly [name: string]: typeof given }]>([
    ["one more", { a: { ...given, u: () => 0 } }],
    ["one less", { a: Object.fromEntries(Object.entries(given).slice(1)) }],
    ["another namespace", { a: given, b: {} }],
    ["none", {}],
  ])("other imports are refused: %s", (_what, imports) => {
    expect(() => confinedImports(imports, memory(), () => 0)).toThrow(/not those of the version/);
  });

  test("clock, zone, environment, timer and terminal are not the host's", () => {
    const imports = confined();
    for (const name of ["p", "m", "n", "e", "f", "j", "c"]) {
      expect({ name, replaced: imports[name] !== given[name] }).toEqual({ name, replaced: true });
    }
    expect(imports["p"]?.()).toBe(7);
  });

  test("local time is UTC, there is no environment, and what is written is swallowed", () => {
    const own = memory();
    const bytes = new Uint8Array(own.buffer).fill(0xaa);
    const words = new DataView(own.buffer);
    const imports = confined(own);
    imports["m"]?.(0n, 100);
    expect([...bytes.subarray(99, 145)]).toEqual([0xaa, ...Array.from({ length: 44 }, () => 0), 0xaa]);
    imports["n"]?.(200, 204, 210, 220);
    expect([words.getUint32(200, true), words.getUint32(204, true)]).toEqual([0, 0]);
    expect(Buffer.from(bytes.subarray(210, 214)).toString()).toBe("UTC\0");
    expect(Buffer.from(bytes.subarray(220, 224)).toString()).toBe("UTC\0");
    expect([imports["e"]?.(0, 0), imports["f"]?.(300, 304)]).toEqual([0, 0]);
    expect([words.getUint32(300, true), words.getUint32(304, true)]).toEqual([0, 0]);
    words.setUint32(404, 5, true);
    words.setUint32(412, 6, true);
    expect(imports["c"]?.(1, 400, 2, 500)).toBe(0);
    expect(words.getUint32(500, true)).toBe(11);
  });
});
