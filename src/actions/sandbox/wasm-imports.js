// @ts-check

/** @import { WasmImports, WasmMemory } from "./wasm.js" */

/**
 * The imports of the engine's WebAssembly module, by the names that this very version of the package gives
 * them. They are minified: another version gives them others, and is refused instead of being let see a clock.
 */
const known = "a b c d e f g h i j k l m n o p q r s t";

/** Bytes of emscripten's `struct tm`. */
const tmBytes = 44;

/**
 * The imports with everything replaced that would tell a script where and when it runs: the clock, the time
 * zone, the environment, the terminal. This is the only place where these enter, so nothing in the engine can
 * be asked for them (a `Date` replaced in JavaScript could: through its prototype, and through `setHours`).
 *
 * @param {WasmImports} imports
 * @param {WasmMemory} memory
 * @param {() => number} now ms since the epoch
 * @returns {WasmImports}
 * @throws Error when the imports are not those of the pinned version
 */
export function confinedImports(imports, memory, now) {
  const given = imports["a"] ?? {};
  const names = Object.keys(given).sort().join(" ");
  if (Object.keys(imports).join() !== "a" || names !== known)
    throw new Error(`the engine has the imports ${names}, not those of the version it was checked with`);
  const bytes = () => new Uint8Array(memory.buffer);
  const words = () => new DataView(memory.buffer);
  const word = (/** @type {number} */ at, /** @type {number} */ value) => words().setUint32(at, value, true);
  return {
    a: {
      ...given,
      p: now,
      // localtime_r: the engine takes nothing but the offset from UTC out of it.
      m: (/** @type {bigint} */ _time, /** @type {number} */ tm) => void bytes().fill(0, tm, tm + tmBytes),
      // tzset
      n: (
        /** @type {number} */ timezone,
        /** @type {number} */ daylight,
        /** @type {number} */ standardName,
        /** @type {number} */ daylightName,
      ) => {
        word(timezone, 0);
        word(daylight, 0);
        for (const name of [standardName, daylightName]) bytes().set([0x55, 0x54, 0x43, 0], name);
      },
      // environ_get, environ_sizes_get: there is no environment.
      e: () => 0,
      f: (/** @type {number} */ count, /** @type {number} */ size) => {
        word(count, 0);
        word(size, 0);
        return 0;
      },
      // setitimer
      j: () => 0,
      // fd_write: swallowed. What is said to have been written is what was given.
      c: (
        /** @type {number} */ _descriptor,
        /** @type {number} */ vectors,
        /** @type {number} */ count,
        /** @type {number} */ written,
      ) => {
        let sum = 0;
        for (let index = 0; index < count; index++) sum += words().getUint32(vectors + 8 * index + 4, true);
        word(written, sum);
        return 0;
      },
    },
  };
}
