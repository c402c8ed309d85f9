import { Store } from "../../core/store.js";
import { SqliteDriver } from "./driver.js";

/**
 * Opens a store. The handle is root authority (see `Store`): keep it away from agents.
 *
 * @param options `database`: a path, or `:memory:`; `create` (default true): make it when it is missing.
 * @throws StoreError with code `missing_store`, `not_a_store`, `newer_store` or `cannot_open`.
 */
export function openStore(options: { readonly database: string; readonly create?: boolean }): Store {
  return new Store(new SqliteDriver(options.database, { create: options.create ?? true }));
}
