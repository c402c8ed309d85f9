/** Bundles of hostile makers: refused with a code, bounded, and reaching nothing. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { nodeCrypto } from "../../src/core/node-crypto.js";
import { EvidenceError, type EvidenceCode } from "../../src/model/errors.js";
import { parseVerifierKey } from "../../src/model/proof/verifier-key.js";
import { bundleLimits } from "../../src/replay/bundle-format.js";
import { readBundle } from "../../src/replay/bundle-read.js";
import { documents, expectRefusal, folder, synapse } from "../cli/invoke.js";
import { good, policy } from "../cli/workflows.js";
import { bundled, digestOfFolder } from "./everything.js";
import { forgedBundle } from "./forged-bundle.js";

type Line = Record<string, unknown>;
type Lines = Line[];

let genuine: { readonly text: string; readonly vkey: string };
let other: typeof genuine;

const linesOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
const textOf = (lines: Lines) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
const keyOf = (vkey: string) => parseVerifierKey(nodeCrypto.sha256, vkey);

async function read(text: string | Buffer, limits = bundleLimits) {
  const file = join(folder(), "b.synapse");
  writeFileSync(file, text);
  return readBundle(file, keyOf(genuine.vkey), limits);
}

async function refused(
  text: string | Buffer,
  codes: readonly EvidenceCode[],
  limits = bundleLimits,
): Promise<void> {
  const error: unknown = await read(text, limits).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EvidenceError);
  expect(codes).toContain((error as EvidenceError).code);
}

/** With its lines changed. */
async function changed(change: (lines: Lines) => Lines | void, ...codes: EvidenceCode[]): Promise<void> {
  const lines = linesOf(genuine.text);
  await refused(textOf(change(lines) ?? lines), codes);
}

const first = (lines: Lines, type: string) => lines.findIndex((line) => line["type"] === type);
const flip = (text: string) => `${text[0] === "A" ? "B" : "A"}${text.slice(1)}`;

beforeAll(async () => {
  genuine = await bundleInFolder();
  other = await bundleInFolder();
});

describe("a bundle that was changed", () => {
  test("is read when it was not", async () => {
    const bundle = await read(genuine.text);
    expect(bundle).toMatchObject({ authenticated: true, complete: true, missing: [] });
    expect(bundle.events).toHaveLength(bundle.checkpoint.size);
  });

  test("each event: flipped, given another proof, twice, swapped with the next", async () => {
    const count = linesOf(genuine.text).filter((line) => line["type"] === "event").length;
    for (let i = 1; i <= count; i++) {
      await changed((lines) => {
        const event = lines[i]?.["event"] as Line;
        event["id"] = flip(String(event["id"]));
      }, "root_mismatch");
      await changed(
        (lines) => {
          const { inclusion } = lines[i] as { inclusion: string[] };
          inclusion[0] = flip(String(inclusion[0]));
        },
        "root_mismatch",
        "malformed_proof",
      );
      await changed((lines) => [...lines.slice(0, i + 1), ...lines.slice(i)], "wrong_order");
      if (i < count)
        await changed(
          (lines) => [...lines.slice(0, i), lines[i + 1] as Line, lines[i] as Line, ...lines.slice(i + 2)],
          "wrong_order",
        );
    }
  });

  test("an event left out: not complete any more; of the run, not replayed as if it were whole", async () => {
    const lines = linesOf(genuine.text);
    for (let i = 1; lines[i]?.["type"] === "event"; i++) {
      const event = lines[i]?.["event"] as Line;
      const refs = Object.entries(event).flatMap(([name, value]) =>
        name.endsWith("_commitment") ? [value] : [],
      );
      const without = textOf(lines.filter(({ ref }, index) => index !== i && !refs.includes(ref)));
      const bundle = await read(without).catch((error: unknown) => error as Error);
      if (bundle instanceof Error) expect(bundle).toBeInstanceOf(EvidenceError);
      else expect(bundle.complete).toBe(false);
      if (!/_(?:requested|authorized)$/.test(String(event["event"]))) continue;
      const cwd = folder();
      writeFileSync(join(cwd, "b"), without);
      const replay = await synapse({ cwd }, "replay", "--from-bundle", "b", "--key", genuine.vkey, "--json");
      expect(replay.stderr).toMatch(/^error\[malformed_entry\]: /);
      expect(replay.code).toBe(4);
    }
  });

  test("recorded bytes: flipped, twice, before events, and those that no event commits to", async () => {
    await changed((lines) => {
      const blob = lines[first(lines, "blob")] as Line;
      blob["bytes"] = flip(String(blob["bytes"]));
    }, "entry_mismatch");
    await changed((lines) => {
      const blob = lines[first(lines, "blob")] as Line;
      blob["salt"] = flip(String(blob["salt"]));
    }, "entry_mismatch");
    await changed((lines) => [...lines, lines.at(-1) as Line], "malformed_bundle");
    await changed(
      (lines) => {
        const at = first(lines, "blob");
        return [...lines.slice(0, at - 1), lines[at] as Line, lines[at - 1] as Line, ...lines.slice(at + 1)];
      },
      "wrong_order",
      "malformed_bundle",
    );
    await changed(
      (lines) => [...lines, { type: "blob", ref: "0".repeat(64), salt: "", bytes: "" }],
      "malformed_bundle",
    );
    await changed((lines) => [...lines, linesOf(other.text).at(-1) as Line], "malformed_bundle");
  });

  test("recorded bytes left out are named as missing, and their values unavailable", async () => {
    const lines = linesOf(genuine.text);
    const cwd = folder({ b: textOf(lines.filter((line) => line["type"] !== "blob")) });
    const bundle = await readBundle(join(cwd, "b"), keyOf(genuine.vkey));
    expect(bundle.missing.length).toBeGreaterThan(4);
    const replay = await synapse({ cwd }, "replay", "--from-bundle", "b", "--key", genuine.vkey, "--json");
    expect(documents(replay)[0]).toMatchObject({ execution: { status: "unavailable" } });
    expect(replay.code).toBe(0);
  });

  test("the header: another format, run, key or checkpoint, twice, or not first", async () => {
    const header = (member: string, value: unknown) => (lines: Lines) => {
      (lines[0] as Line)[member] = value;
    };
    await changed(header("format", "synapse-bundle/v2"), "malformed_bundle");
    await changed(header("type", "event"), "malformed_bundle");
    await changed(header("run_id", "run_other"), "malformed_bundle");
    await changed(header("run_id", ["x"]), "malformed_bundle");
    await changed(
      header("checkpoint", linesOf(other.text)[0]?.["checkpoint"]),
      "unknown_key",
      "wrong_origin",
    );
    const note = String(linesOf(genuine.text)[0]?.["checkpoint"]);
    await changed(header("checkpoint", note.replace(/\n\d+\n/, "\n1\n")), "invalid_signature");
    await changed(header("checkpoint", `${note.slice(0, -6)}AAAA\n`), "invalid_signature", "malformed_note");
    await changed((lines) => [...lines, lines[0] as Line], "malformed_bundle");
    await changed((lines) => lines.slice(1), "malformed_bundle");
    await changed(
      (lines) => [{ ...linesOf(other.text)[0] }, ...lines.slice(1)],
      "unknown_key",
      "wrong_origin",
    );
  });

  test("a key that its header names is not believed: only the one that the reader knows", async () => {
    const cwd = folder({ b: other.text });
    for (const command of [
      ["replay", "--from-bundle", "b"],
      ["audit", "check-bundle", "b"],
    ]) {
      const outcome = await synapse({ cwd }, ...command, "--key", genuine.vkey);
      expectRefusal(outcome, 4, "(?:unknown_key|wrong_origin)");
    }
  });
});

/** Made before any test, so its folder is removed here. */
async function bundleInFolder(): Promise<typeof genuine> {
  const cwd = mkdtempSync(join(tmpdir(), "synapse-bundle-"));
  writeFileSync(join(cwd, "p.yaml"), policy);
  writeFileSync(join(cwd, "good.yaml"), good);
  const run = await synapse({ cwd }, "run", "good.yaml", "--policy", "p.yaml", "--json");
  const runId = String(documents(run).at(-1)?.["run_id"]);
  const { file, vkey } = await bundled({ cwd, runId }, "--complete");
  const text = readFileSync(file, "utf8");
  rmSync(cwd, { recursive: true });
  return { text, vkey };
}

describe("a file that is no bundle", () => {
  const small = { ...bundleLimits, lineBytesMax: 4_096, bytesMax: 1024 * 1024, eventsMax: 3 };
  test.each<[string, () => string | Buffer]>([
    ["empty", () => ""],
    ["not JSON", () => "synapse\n"],
    ["no object", () => "[]\n"],
    ["not UTF-8", () => Buffer.concat([Buffer.from(genuine.text), Buffer.from([0xff, 0x0a])])],
    ["a byte order mark", () => `\ufeff${genuine.text}`],
    ["cut in its last line", () => genuine.text.slice(0, -1)],
    ["cut in the middle", () => genuine.text.slice(0, 5_000)],
    ["a line of something else", () => `${genuine.text}{"type":"script","code":"1"}\n`],
    ["JSON of great depth", () => `${"[".repeat(200_000)}${"]".repeat(200_000)}\n`],
    ["an empty line", () => `\n${genuine.text}`],
  ])("%s", async (_, make) => {
    await refused(make(), ["malformed_bundle"]);
  });

  test("an event of great depth, or with half of a character", async () => {
    const [head = "", ...rest] = genuine.text.split("\n");
    for (const value of [`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`, String.raw`"\ud800"`]) {
      const event = `{"type":"event","event":{"seq":1,"x":${value}},"inclusion":[]}`;
      await refused([head, event, ...rest].join("\n"), ["malformed_entry"]);
    }
  });

  test("a place in the log that is none", async () => {
    for (const seq of [0, -1, 1.5, 1e300, "1", null]) {
      const lines = linesOf(genuine.text);
      (lines[1]?.["event"] as Line)["seq"] = seq;
      await refused(textOf(lines), [
        "wrong_order",
        "index_out_of_range",
        "root_mismatch",
        "malformed_entry",
        "malformed_proof",
      ]);
    }
  });

  test("more than its limits: lines, bytes, events; a long line that is no recorded bytes", async () => {
    await refused(`${"x".repeat(5_000)}`, ["malformed_bundle"], small);
    await refused(`${"\n".repeat(10)}`, ["malformed_bundle"], small);
    await refused(genuine.text, ["malformed_bundle"], { ...bundleLimits, bytesMax: 1_000 });
    await refused(genuine.text, ["malformed_bundle"], { ...bundleLimits, eventsMax: 3 });
    await refused(genuine.text, ["malformed_bundle"], { ...bundleLimits, documentBytesMax: 100 });
    // Recorded bytes alone may be long.
    const last = linesOf(genuine.text).at(-1) as Line;
    const lines = linesOf(genuine.text);
    lines.splice(lines.length - 1, 1, { ...last, bytes: "A".repeat(2_000_000) });
    await refused(textOf(lines), ["entry_mismatch"]);
  });

  test("a folder, a device without an end, a pipe that nobody writes to, nothing", async () => {
    const cwd = folder();
    mkdirSync(join(cwd, "d"));
    execFileSync("mkfifo", [join(cwd, "fifo")]);
    const key = ["--key", genuine.vkey];
    for (const file of ["d", "nothing", "fifo", "/dev/zero", "/dev/tty0"]) {
      const outcome = await synapse({ cwd }, "audit", "check-bundle", file, ...key);
      expectRefusal(outcome, 2, "unreadable_file");
    }
  });
});

describe("a log of one's own making, in a bundle that is sound", () => {
  const hostile: [string, Parameters<typeof forgedBundle>[0]][] = [
    ["parameters that are no JSON", { params: Buffer.from("{") }],
    ["parameters of great depth", { params: Buffer.from(`${"[".repeat(100_000)}${"]".repeat(100_000)}`) }],
    ["parameters that are a list", { params: Buffer.from("[1]") }],
    ["parameters of the wrong types", { params: Buffer.from('{"path":{"toString":1}}') }],
    ["a path that leads out", { params: Buffer.from('{"path":"/../canary"}') }],
    ["an action called constructor", { action: "constructor" }],
    ["an action called __proto__", { action: "__proto__" }],
    ["a program", { action: "process.run", params: Buffer.from('{"program":"touch","args":["canary"]}') }],
    ["a working folder that is none", { workingFolder: "../.." }],
    ["an agent that is no identifier", { agent: "\u001b[31m; rm -rf" }],
    ["a binding under nothing", { contract: "ctr_none" }],
    ["a capability that is none", { capability: "fs:../" }],
    ["no constraint that anybody knows", { constraints: { omnipotent: true } }],
    ["a pattern without an end", { constraints: { params: { pattern: `${"(a+)+".repeat(40)}$` } } }],
  ];

  test.each(hostile)("%s: never a crash, nothing run, nothing touched", async (_, forged) => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const cwd = folder({ canary: "sings" });
    const { text, vkey } = forgedBundle({ canary: join(cwd, "canary"), port, ...forged });
    writeFileSync(join(cwd, "b"), text);
    const before = digestOfFolder(cwd);
    for (const trust of [["--unauthenticated"], ["--key", vkey]]) {
      const check = await synapse({ cwd }, "audit", "check-bundle", "b", ...trust);
      expect([0, 4]).toContain(check.code);
      for (const more of [[], ["--json"]]) {
        const replay = await synapse({ cwd }, "replay", "--from-bundle", "b", ...trust, ...more);
        expect([0, 4]).toContain(replay.code);
        expect(replay.stderr).not.toContain("internal_error");
        if (more.length === 0) expect(replay.stdout + replay.stderr).not.toContain("\u001b[31m;");
      }
    }
    expect(digestOfFolder(cwd)).toBe(before);
    expect(connections).toBe(0);
  });

  test("one that is what it says replays: the attacks above are refused for what they are", async () => {
    const cwd = folder({ canary: "sings" });
    const { text, vkey } = forgedBundle({ canary: join(cwd, "canary"), port: 1 });
    writeFileSync(join(cwd, "b"), text);
    const replay = await synapse({ cwd }, "replay", "--from-bundle", "b", "--key", vkey, "--json");
    expect(replay.stderr).toBe("");
    expect(documents(replay)[0]).toMatchObject({
      decision: { status: "identical" },
      execution: { status: "identical", effects: 1 },
    });
    expect(replay.code).toBe(0);
  });
});
