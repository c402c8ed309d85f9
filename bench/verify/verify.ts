import { statSync } from "node:fs";
import { join } from "node:path";
import { verifyLog } from "../../src/audit/verify-log.js";
import { publicKeyBeside } from "../../src/core/signing-key.js";
import { openSurveyedImage } from "../../src/stores/sqlite/image.js";
import type { Bench, Measurement } from "../harness/bench.js";
import { inRounds } from "../harness/rounds.js";
import { atMost, ratio } from "../harness/statistics.js";
import { type Digest, hashLog } from "./hash-log.js";
import { makeLog } from "./make-log.js";

/**
 * `synapse audit verify`, all checks, against the hashing that no verification can do without. Making a million events
 * takes minutes: `BENCH_LOG` names a database that `makeLog` made before.
 */
export const verify: Bench = {
  name: "verify",
  title: "Verifying a log, against hashing its stored bytes on one thread",
  async run(options) {
    const { short, folder } = options;
    const database = join(folder, "log.db");
    const given = process.env["BENCH_LOG"];
    const path = given ?? database;
    options.say(given === undefined ? "making a log" : "reading a log that was made before");
    if (given === undefined) await makeLog(database, short ? 3_000 : 1_000_000);
    const ownKey = publicKeyBeside(`${path}.key`);
    let root: string | undefined;
    let [events, checkpoints, checked] = [0, 0, 0];
    const assertRoot = (found: string) => {
      root ??= found;
      if (found !== root) throw new Error(`the root is \`${found}\` and was \`${root}\``);
      checked++;
    };
    const verified = (threads: 1 | 2) => async () => {
      const start = performance.now();
      const image = await openSurveyedImage(path, threads === 1 ? Infinity : 0);
      try {
        const verdict = await verifyLog(image, { ownKey });
        const seconds = (performance.now() - start) / 1_000;
        if (!verdict.ok) throw new Error(`a good log does not verify: ${verdict.problems[0]?.message}`);
        [events, checkpoints] = [verdict.events, verdict.checkpoints];
        assertRoot(verdict.root);
        return seconds;
      } finally {
        image.close();
      }
    };
    const hashed = (digest: Digest) => () => {
      const start = performance.now();
      const found = hashLog(path, digest);
      const seconds = (performance.now() - start) / 1_000;
      assertRoot(found);
      return seconds;
    };
    const measured = await inRounds(short ? 2 : 5, [
      { what: "all checks, two threads", unit: "s", measure: verified(2) },
      { what: "all checks, one thread", unit: "s", measure: verified(1) },
      { what: "hashing alone, one thread", unit: "s", measure: hashed("buffer") },
      { what: "the same, digests as text", unit: "s", measure: hashed("binary") },
    ]);
    const [two, one, plain, text] = measured as [Measurement, Measurement, Measurement, Measurement];
    const megabytes = Math.round(statSync(path).size / 2 ** 20);
    return {
      measurements: measured,
      comparisons: [ratio(two, plain, atMost(1.5)), ratio(one, plain), ratio(two, text)],
      checked,
      notes: [
        `${events.toLocaleString("en")} events, ${checkpoints} signed checkpoints, ${megabytes} MiB of database, in the page cache.`,
        "Hashing alone reads each document from the database and computes leaves and root (RFC 6962), digests as Buffers, as Node gives them by default.",
        "All checks: SQLite's integrity check, every hash, the tree and its stored nodes, signatures, the grammar of the events, every table, every blob. The start of the process (0.1 s) is not in it.",
      ],
    };
  },
};
