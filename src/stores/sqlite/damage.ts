import { StoreError } from "../../model/errors.js";
import { isDamage } from "./database.js";

/**
 * What the database could not give since it is broken, as a finding.
 * @throws StoreError `database_damaged`; what else `read` throws.
 */
export function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw isDamage(error) ? damagedBy(error) : error;
  }
}

export function damagedBy(cause: Error): StoreError {
  return new StoreError("database_damaged", `the database is damaged: ${cause.message}`, { cause });
}
