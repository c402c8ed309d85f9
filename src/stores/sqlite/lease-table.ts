import type { Lease } from "../../core/lease.js";
import type { Connection } from "./database.js";

/** Who writes at present. Not a projection of the log: a lease says who lives, and nothing of authority. */
export class LeaseTable {
  readonly #put;
  readonly #remove;
  readonly #all;

  constructor(db: Connection) {
    this.#put = db.prepare(
      "INSERT OR REPLACE INTO leases (writer, pid, started, host, boot, renewed_at) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#remove = db.prepare("DELETE FROM leases WHERE writer = ?");
    this.#all = db.prepare("SELECT writer, pid, started, host, boot, renewed_at AS renewedAt FROM leases");
  }

  put({ writer, pid, started, host, boot, renewedAt }: Lease): void {
    this.#put.run(writer, pid, started, host, boot, renewedAt);
  }

  remove(writer: string): void {
    this.#remove.run(writer);
  }

  all(): Lease[] {
    return this.#all.all() as Lease[];
  }
}
