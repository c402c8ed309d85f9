/** Whatever an action does with its handles, one after the other, at once, racing or unawaited: it replays as it was. */
import fc from "fast-check";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Handles } from "../../src/index.js";
import type { JsonValue } from "../../src/model/json.js";
import { divergenceOf, openRecording } from "./recorded.js";

type Use = { readonly use: "get" | "set" | "read" | "miss" | "deny" | "malformed"; readonly key: string };
type Program =
  | Use
  | { readonly hops: number }
  | { readonly seq: readonly Program[] }
  | { readonly all: readonly Program[] }
  | { readonly settled: readonly Program[] }
  | { readonly race: readonly Program[] }
  | { readonly loose: Program }
  | { readonly caught: Program };

interface Stage {
  readonly handles: Handles;
  readonly folder: string;
  /** Uses that were made, by the object that stands for them. */
  readonly made: Set<Use>;
}

/** Does what the program says; answers take as long as files, the log and refusals really take. */
async function play(program: Program, stage: Stage): Promise<JsonValue> {
  if ("use" in program) return use(program, stage);
  if ("hops" in program) {
    for (let i = 0; i < program.hops; i++) await Promise.resolve();
    return null;
  }
  if ("seq" in program) {
    const values: JsonValue[] = [];
    for (const each of program.seq) values.push(await play(each, stage));
    return values;
  }
  if ("all" in program) return Promise.all(program.all.map((each) => play(each, stage)));
  if ("settled" in program) {
    const all = await Promise.allSettled(program.settled.map((each) => play(each, stage)));
    return all.map((one) => (one.status === "fulfilled" ? one.value : told(one.reason)));
  }
  if ("race" in program) return Promise.race(program.race.map((each) => play(each, stage)));
  if ("caught" in program) return play(program.caught, stage).catch(told);
  play(program.loose, stage).catch(() => null);
  return null;
}

function told(error: unknown): JsonValue {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return { code: code ?? null, message };
}

async function use(program: Use, { handles, folder, made }: Stage): Promise<JsonValue> {
  made.add(program);
  const { memory, fs } = handles;
  switch (program.use) {
    case "get":
      return memory.get(`notes/${program.key}`);
    case "set":
      return memory.set(`notes/${program.key}`, { z: 1, a: program.key });
    case "read":
      // Members in the order in which they came: a replay shows them alike.
      return JSON.stringify(await fs.read(join(folder, program.key)));
    case "miss":
      return fs.read(join(folder, `missing-${program.key}`));
    case "deny":
      return memory.set(`elsewhere/${program.key}`, 1);
    case "malformed":
      return memory.get(`notes/../${program.key}`);
  }
}

const key = fc.constantFrom("a", "b", "c");
const kind = fc.constantFrom("get", "get", "set", "read", "miss", "deny", "malformed");
const { program } = fc.letrec<{ program: Program }>((tie) => {
  const several = fc.array(tie("program"), { minLength: 1, maxLength: 4, depthIdentifier: "p" });
  return {
    program: fc.oneof(
      { depthIdentifier: "p", maxDepth: 3, withCrossShrink: true },
      fc.record({ use: kind, key }) as fc.Arbitrary<Use>,
      fc.integer({ min: 0, max: 12 }).map((hops) => ({ hops })),
      several.map((seq) => ({ seq })),
      several.map((all) => ({ all })),
      several.map((settled) => ({ settled })),
      several.map((race) => ({ race })),
      tie("program").map((loose) => ({ loose })),
      tie("program").map((caught) => ({ caught })),
    ),
  };
});

/** The program with one of its uses made of something that no program here uses. */
function changed(before: Program, victim: Use): Program {
  const [name, part] = Object.entries(before)[0] as [string, unknown];
  if (before === victim) return { ...victim, key: "changed" };
  if (Array.isArray(part)) return { [name]: part.map((each: Program) => changed(each, victim)) } as never;
  if (name === "loose" || name === "caught") return { [name]: changed(part as Program, victim) } as never;
  return before;
}

describe("any program of uses", () => {
  test(
    "replays identical, and a change of any use it made is a divergence",
    { timeout: 120_000 },
    async () => {
      const world = await openRecording();
      for (const name of ["a", "b"]) writeFileSync(join(world.folder, name), `text of ${name}`);
      let count = 0;
      const property = fc.asyncProperty(program, fc.nat(), async (tree, choice) => {
        const stepId = `s${++count}`;
        const made = new Set<Use>();
        const stage = { folder: world.folder, made };
        await world.record(stepId, (_, handles) => play(tree, { ...stage, handles }));
        // What the world answers now is another thing.
        writeFileSync(join(world.folder, "c"), `of ${stepId}`);
        const again = await world.replay(stepId, (_, handles) =>
          play(tree, { ...stage, made: new Set(), handles }),
        );
        expect(again).toMatchObject({
          decision: { status: "identical" },
          execution: { status: "identical" },
        });
        const uses = [...made].filter(({ use: what }) => what !== "malformed");
        const victim = uses[choice % uses.length];
        if (victim === undefined) return;
        const other = changed(tree, victim);
        const diverged = await world.replay(stepId, (_, handles) =>
          play(other, { ...stage, made: new Set(), handles }),
        );
        expect(divergenceOf(diverged).kind).toBe("effect");
      });
      await fc.assert(property, { numRuns: 150 });
    },
  );
});
