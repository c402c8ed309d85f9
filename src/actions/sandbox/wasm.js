// @ts-check

/**
 * The little of WebAssembly that is used: Node has it, its type declarations do not.
 *
 * @typedef {{ readonly buffer: ArrayBuffer }} WasmMemory
 * @typedef {{ readonly [namespace: string]: { readonly [name: string]: unknown } }} WasmImports
 * @typedef {object} WasmModule opaque: compiled code
 */

/**
 * @type {{
 *   readonly compile: (bytes: Uint8Array) => Promise<WasmModule>,
 *   readonly Memory: new (pages: { readonly initial: number, readonly maximum: number }) => WasmMemory,
 *   readonly Instance: new (module: WasmModule, imports: WasmImports) => { readonly exports: object },
 * }}
 */
export const wasm = Reflect.get(globalThis, "WebAssembly");
