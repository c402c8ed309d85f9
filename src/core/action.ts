import { InvalidContextError } from "../model/errors.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { compileParams, type ParamsCheck } from "../model/constraint/params.js";
import type { Environment } from "./environment.js";
import type { Handles } from "./ports.js";

/** What `prepare` may fill in before the parameters are frozen. */
export interface Preparation {
  /** Absolute path of the pipeline's working folder. */
  readonly workingFolder: string;
}

/** How an action is described to `defineAction` (SEMANTICS G1). */
export interface ActionDefinition<P extends JsonObject = JsonObject> {
  /** Unique in a registry, e.g. `crm.update`. */
  readonly name: string;
  /** JSON Schema (2020-12) that the parameters must fit; without it anything fits. */
  readonly params?: JsonObject;
  /** Fills in defaults. Pure; runs once, before anything is decided. */
  readonly prepare?: (params: P, preparation: Preparation) => JsonObject;
  /**
   * What running with these parameters needs: capability texts made with `capability()`. Pure; computed by
   * the guard on the frozen parameters (G3).
   */
  readonly requires: (params: P) => string | readonly string[];
  /** Whether running it twice does no more than running it once. Default false. */
  readonly idempotent?: boolean;
  /** Whether a replay may run it again with recorded effects (SEMANTICS R4). Default false. */
  readonly replayable?: boolean;
  /** The code. It gets the frozen parameters, the powers that were authorised, and the environment. */
  readonly run: (params: P, handles: Handles, env: Environment) => unknown;
}

/** The inside of an action, for the guard only. */
export interface OpenAction {
  readonly paramsCheck: ParamsCheck | undefined;
  readonly prepare: ((params: JsonObject, preparation: Preparation) => JsonObject) | undefined;
  readonly requires: (params: JsonObject) => unknown;
  readonly run: (params: JsonObject, handles: Handles, env: Environment) => unknown;
  /** Whether `params` and `when` of what it requires beyond the first are asked of each effect (K). */
  readonly paramsOnUse: boolean;
}

// Captured at import: a `freeze` that is patched afterwards would be handed the inside of every new action.
const { freeze, hasOwn } = Object;

let open: (action: Action) => OpenAction;
let isAction: (value: unknown) => value is Action;

/**
 * An action as everyone but the guard sees it: frozen, opaque. Its code is behind a private name, which no
 * patched built-in, proxy or prototype reaches (SEMANTICS G1; FINDINGS, Opaque actions).
 */
export class Action {
  readonly name: string;
  readonly idempotent: boolean;
  readonly replayable: boolean;
  readonly #inside: OpenAction;

  constructor(
    name: string,
    options: { readonly idempotent: boolean; readonly replayable: boolean },
    inside: OpenAction,
  ) {
    this.name = name;
    this.idempotent = options.idempotent;
    this.replayable = options.replayable;
    this.#inside = inside;
    freeze(this);
  }

  static {
    open = (action) => action.#inside;
    isAction = (value): value is Action => typeof value === "object" && value !== null && #inside in value;
  }
}

/** For the guard; not exported from the package. */
export const openAction = (action: Action): OpenAction => open(action);
export const isGenuineAction = (value: unknown): value is Action => isAction(value);

const namePattern = /^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/;

/**
 * Makes an action.
 *
 * @throws TypeError when the definition is malformed (a programmer's mistake).
 */
export function defineAction<P extends JsonObject = JsonObject>(definition: ActionDefinition<P>): Action {
  return define(definition, false);
}

/**
 * Makes the action that runs scripts: what its parameters say is not yet what its code will do, so the
 * constraints on parameters of everything that it requires beyond the first are asked of each effect's own
 * arguments (SEMANTICS K). Not exported from the package, so that no other action can put a check off.
 */
export function defineScriptAction<P extends JsonObject>(definition: ActionDefinition<P>): Action {
  return define(definition, true);
}

function define<P extends JsonObject>(definition: ActionDefinition<P>, paramsOnUse: boolean): Action {
  const { name, requires, run } = definition;
  // What is left out is not looked up further: a getter on `Object.prototype` would be handed the definition.
  const own = <K extends keyof ActionDefinition<P>>(key: K) =>
    hasOwn(definition, key) ? definition[key] : undefined;
  const params = own("params");
  const prepare = own("prepare");
  const [idempotent, replayable] = [own("idempotent") === true, own("replayable") === true];
  if (typeof name !== "string" || !namePattern.test(name))
    throw new TypeError(`\`${name}\` is not an action name`);
  if (typeof run !== "function") throw new TypeError(`action \`${name}\` has no \`run\` function`);
  if (typeof requires !== "function") {
    throw new TypeError(`action \`${name}\` has no \`requires\` function: every action needs a capability`);
  }
  return new Action(
    name,
    { idempotent, replayable },
    freeze({
      paramsCheck: params === undefined ? undefined : compileParams(params as JsonValue),
      prepare: prepare as OpenAction["prepare"],
      requires: requires as OpenAction["requires"],
      run: run as OpenAction["run"],
      paramsOnUse,
    }),
  );
}

/** The actions that workflow files may name. */
export class ActionRegistry {
  readonly #actions = new Map<string, Action>();

  constructor(actions: Iterable<Action> = []) {
    for (const action of actions) this.register(action);
    freeze(this);
  }

  /** @throws TypeError for what `defineAction` did not make, and for a name that is taken. */
  register(action: Action): void {
    if (!isAction(action)) throw new TypeError("only what defineAction made can be registered");
    if (this.#actions.has(action.name))
      throw new TypeError(`an action named \`${action.name}\` is registered already`);
    this.#actions.set(action.name, action);
  }

  get(name: string): Action | undefined {
    return this.#actions.get(name);
  }

  names(): readonly string[] {
    return [...this.#actions.keys()].sort();
  }
}

/** The parameters as everything from here on sees them: filled in, checked against the schema. */
export function prepareParams(action: Action, params: JsonObject, preparation: Preparation): JsonObject {
  const { prepare, paramsCheck } = open(action);
  const wrong = paramsCheck?.(params);
  if (wrong !== undefined) {
    throw new InvalidContextError(
      "actionParams",
      `the parameters of \`${action.name}\` do not fit: ${wrong}`,
    );
  }
  return prepare === undefined ? params : prepare(params, preparation);
}
