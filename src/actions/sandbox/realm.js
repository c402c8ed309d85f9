// @ts-check

/**
 * What a script finds around it. This function's text is evaluated inside QuickJS before any script: it may use
 * nothing but what stands in it, and it is the only code that ever holds the five functions of the host. They
 * take and give numbers and text alone.
 *
 * Whatever it needs of the standard library it takes before the script can patch it, and it makes its own
 * objects without prototypes: a getter that a script puts on `Object.prototype` has no part in what crosses.
 *
 * @param {(call: number, method: string, args: string) => string} post gives why it was refused, or nothing
 * @param {(kind: string, text: string) => void} end
 * @param {() => number} random
 * @param {() => string} uuid
 * @param {readonly string[]} methods `fs.read` and the like
 */
export function realm(post, end, random, uuid, methods) {
  "use strict";
  const { stringify } = JSON;
  /** @type {(json: string) => unknown} */
  const parse = JSON.parse;
  const { defineProperty, freeze, getOwnPropertyDescriptor } = Object;
  /** @type {(prototype: null) => { [key: string]: unknown }} */
  const create = Object.create;
  /** @type {(of: object) => unknown} */
  const getPrototypeOf = Object.getPrototypeOf;
  /** @type {(of: object, prototype: null) => unknown} */
  const setPrototypeOf = Object.setPrototypeOf;
  const { get, ownKeys, deleteProperty } = Reflect;
  const { isArray } = Array;
  const { isFinite: isFiniteNumber } = Number;
  const [PromiseOfRealm, ErrorOfRealm, TypeErrorOfRealm, text] = [Promise, Error, TypeError, String];
  const plainPrototype = Object.prototype;
  const depthMax = 64;
  const factNames = ["name", "message", "stack", "code"];

  /** @param {object} target @param {string | number} key @param {unknown} value */
  const put = (target, key, value) =>
    defineProperty(
      target,
      key,
      /** @type {PropertyDescriptor} */ ({
        __proto__: null,
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      }),
    );

  /** @param {string} path @param {string} what @returns {never} */
  const refuse = (path, what) => {
    throw new TypeErrorOfRealm(`${what} at ${path} is not plain data`);
  };

  /**
   * Plain data out of whatever a script made, each member read once, no getter called.
   * @param {unknown} value @param {string} path @param {number} depth @returns {unknown}
   */
  const plain = (value, path, depth) => {
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number") return isFiniteNumber(value) ? value : refuse(path, text(value));
    if (typeof value !== "object") return refuse(path, `a value of type ${typeof value}`);
    if (depth === 0) return refuse(path, "something nested too deeply (or in a cycle)");
    return isArray(value) ? plainArray(value, path, depth) : plainObject(value, path, depth);
  };

  /** @param {unknown[]} source @param {string} path @param {number} depth */
  const plainArray = (source, path, depth) => {
    const { length } = source;
    /** @type {unknown[]} */
    const copy = [];
    for (let index = 0; index < length; index++) {
      const at = `${path}[${index}]`;
      const member = getOwnPropertyDescriptor(source, index);
      if (member === undefined) refuse(at, "a hole");
      else put(copy, index, plain(dataOf(member, at), at, depth - 1));
    }
    // Without a prototype there is no `toJSON` that a script could have put there.
    return setPrototypeOf(copy, null);
  };

  /** @param {object} source @param {string} path @param {number} depth */
  const plainObject = (source, path, depth) => {
    const prototype = getPrototypeOf(source);
    if (prototype !== null && prototype !== plainPrototype) refuse(path, "an object of a class of its own");
    const copy = create(null);
    const keys = ownKeys(source);
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index];
      if (typeof key !== "string") return refuse(path, "a symbol as a key");
      const at = `${path}.${key}`;
      const member = getOwnPropertyDescriptor(source, key);
      const data = member === undefined ? undefined : dataOf(member, at);
      if (data !== undefined) put(copy, key, plain(data, at, depth - 1));
    }
    return copy;
  };

  /** @param {PropertyDescriptor} member @param {string} path @returns {unknown} */
  const dataOf = (member, path) => {
    const kept = getOwnPropertyDescriptor(member, "value");
    return kept === undefined ? refuse(path, "a getter") : kept.value;
  };

  /** @param {unknown} value */
  const encode = (value) => /** @type {string} */ (stringify(plain(value, "$", depthMax)));

  /** @param {string} value */
  const beginningOf = (value) => {
    if (value.length <= 4_000) return value;
    let beginning = "";
    for (let index = 0; index < 4_000; index++) beginning += value[index];
    return beginning;
  };

  /**
   * What was thrown, whatever it is: reading it may throw again, and may run the script's own code.
   * @param {unknown} thrown
   */
  const describe = (thrown) => {
    const facts = create(null);
    const isObject = (typeof thrown === "object" && thrown !== null) || typeof thrown === "function";
    for (let index = 0; index < factNames.length; index++) {
      const key = /** @type {string} */ (factNames[index]);
      try {
        /** @type {unknown} */
        const value = isObject ? get(thrown, key) : key === "message" ? text(thrown) : undefined;
        if (typeof value === "string") put(facts, key, beginningOf(value));
      } catch {
        put(facts, key, "(cannot be read)");
      }
    }
    return stringify(facts);
  };

  /**
   * A call that has no answer yet, and where it was made.
   * @typedef {object} Waiting
   * @property {string} method
   * @property {string} encoded
   * @property {(value: unknown) => void} resolve
   * @property {(error: Error) => void} reject
   * @property {Error} at
   */

  const pending = /** @type {{ [call: number]: Waiting }} */ (create(null));
  let calls = 0;

  /**
   * An error of a handle, as if it had been thrown where the handle was used.
   * @param {string} json @param {Error} at
   */
  const toError = (json, at) => {
    const facts = /** @type {{ name: string, code: string, message: string }} */ (parse(json));
    const error = new ErrorOfRealm(facts.message);
    put(error, "stack", at.stack);
    put(error, "name", facts.name);
    put(error, "code", facts.code);
    return error;
  };

  /**
   * So many calls are under way at once; more of them wait here, in the script's own memory. It bounds the answers
   * that the host holds for a script that does not take them.
   */
  const underWayMax = 8;
  let underWay = 0;
  let posted = 0;
  let settled = () => {};

  /** Calls are posted in the order in which they were made. */
  const postNext = () => {
    while (underWay < underWayMax && posted < calls) {
      const call = ++posted;
      const { method, encoded, reject, at } = /** @type {Waiting} */ (pending[call]);
      const refused = post(call, method, encoded);
      if (refused === "") {
        underWay++;
        continue;
      }
      delete pending[call];
      reject(toError(refused, at));
    }
    if (underWay === 0) settled();
  };

  /** @param {string} method @param {unknown[]} args */
  const send = (method, args) =>
    new PromiseOfRealm((resolve, reject) => {
      const encoded = encode(args);
      pending[++calls] = { method, encoded, resolve, reject, at: new ErrorOfRealm() };
      postNext();
    });

  /** Resolves when no call is under way: a script is not over before what it did is (H1). */
  const allSettled = () =>
    new PromiseOfRealm((/** @type {(value: undefined) => void} */ resolve) => {
      settled = () => resolve(undefined);
      if (underWay === 0) settled();
    });

  /** @type {{ [domain: string]: { [name: string]: (...args: unknown[]) => Promise<unknown> } }} */
  const handles = {};
  for (const method of methods) {
    const [domain = "", name = ""] = method.split(".");
    (handles[domain] ??= {})[name] = freeze((/** @type {unknown[]} */ ...args) => send(method, args));
  }
  for (const domain of Object.values(handles)) freeze(domain);

  /** @param {string} name @param {unknown} value */
  const offer = (name, value) => defineProperty(globalThis, name, { value, writable: false });
  offer("handles", freeze(handles));
  offer("crypto", freeze({ randomUUID: () => uuid() }));
  Math.random = () => random();
  // They would tell when memory is collected, which is not the same twice.
  deleteProperty(globalThis, "WeakRef");
  deleteProperty(globalThis, "FinalizationRegistry");

  return freeze({
    /** @param {string} json */
    input: (json) => offer("input", parse(json)),
    /** @param {() => unknown} script */
    start: async (script) => {
      /** @type {unknown} */
      let value;
      try {
        value = await script();
      } catch (error) {
        return end("thrown", describe(error));
      }
      /** @type {string} */
      let encoded;
      try {
        encoded = encode(value === undefined ? null : value);
      } catch (error) {
        const facts = /** @type {{ message?: string }} */ (parse(describe(error)));
        return end("output", text(facts.message));
      }
      await allSettled();
      return end("value", encoded);
    },
    /** @param {number} call @param {boolean} ok @param {string} json */
    answer: (call, ok, json) => {
      const waiting = pending[call];
      if (waiting === undefined) return;
      delete pending[call];
      underWay--;
      if (ok) waiting.resolve(parse(json));
      else waiting.reject(toError(json, waiting.at));
      postNext();
    },
    describe,
  });
}
