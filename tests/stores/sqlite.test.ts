import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreDriver } from "../../src/core/store.js";
import { SqliteDriver } from "../../src/stores/sqlite/driver.js";
import { type Place, storeContract } from "./contract.js";

storeContract("SQLite in memory", () => {
  const driver = new SqliteDriver(":memory:", { create: true });
  return { driver, another: () => undefined, remove: () => driver.close() };
});

storeContract("SQLite in a file", (): Place => {
  const folder = mkdtempSync(join(tmpdir(), "synapse-store-"));
  const drivers: StoreDriver[] = [];
  const open = (): StoreDriver => {
    const driver = new SqliteDriver(join(folder, "log.db"), { create: drivers.length === 0 });
    drivers.push(driver);
    return driver;
  };
  return {
    driver: open(),
    another: open,
    remove: () => {
      for (const driver of drivers) driver.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
