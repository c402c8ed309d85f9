// @ts-check

/**
 * The little of WebAssembly that is used: Node has it, its type declarations do not.
 *
 * @typedef {{ readonly buffer: ArrayBuffer }} WasmMemory
 * @typedef {{ readonly [namespace: string]: { readonly [name: string]: unknown } }} WasmImports
 * @typedef {object} WasmModule opaque: compiled code
 */

/**
 * @typedef {object} Wasm
 * @property {(bytes: Uint8Array) => Promise<WasmModule>} compile
 * @property {new (pages: { readonly initial: number, readonly maximum: number }) => WasmMemory} Memory
 * @property {new (module: WasmModule, imports: WasmImports) => { readonly exports: object }} Instance
 */

/** @type {unknown} */
const given = Reflect.get(globalThis, "WebAssembly");

export const wasm = /** @type {Wasm} */ (given);
