import { describe, expect, it } from "vitest";
import { DocumentError, InvalidDataError } from "../../src/model/errors.js";
import type { JsonObject } from "../../src/model/json.js";
import { checkActions, parseWorkflow, workflowFromJson } from "../../src/workflow/definition.js";
import { resolveInputs } from "../../src/workflow/definition-inputs.js";
import { evaluateTemplate } from "../../src/workflow/expression-template.js";

const release = `# yaml-language-server: $schema=../schemas/workflow.schema.json
name: release-notes
description: writes release notes
inputs:
  count: 3
  folder: { type: string, default: /workspace, description: where to write }
  tag: { type: string, required: true }
seed: 42
steps:
  - id: log
    agent: reader@v1
    action: process.run
    capability: os:process:git
    with:
      program: git
      args: [log, "-n", "\${{ string(inputs.count) }}"]
    timeout: 1m30s
    retry: 2
  - id: publish
    agent: publisher
    action: http.request
    needs: [write]
    if: \${{ steps.write.status == "completed" && steps.log.output.exit_code == 0 }}
    with: {}
  - id: write
    agent: writer
    action: fs.write
    needs: [log]
    capability: fs:write:\${{ inputs.folder }}/notes/**
    scope: \${{ inputs.folder }}/notes/\${{ inputs.tag }}.md
    on_denied: continue
    on_error: continue
    retry: { attempts: 1, delay: 500ms }
    with:
      path: \${{ inputs.folder }}/notes/\${{ inputs.tag }}.md
      content: \${{ steps.log.output.stdout }}
`;

function problem(text: string): { at: string; message: string; hint: string | undefined } {
  try {
    parseWorkflow(text, "w.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentError);
    const { code, line, column, message, hint, file } = error as DocumentError;
    expect({ code, file }).toEqual({ code: "invalid_workflow", file: "w.yaml" });
    expect(message.startsWith(`w.yaml:${line}:${column}: `)).toBe(true);
    return { at: `${line}:${column}`, message: message.replace(/^\S+: /, ""), hint };
  }
  throw new Error("nothing was thrown");
}

/** One step with the given lines, which begin in line 6. */
const oneStep = (...lines: string[]): string =>
  [
    "name: w",
    "steps:",
    "  - id: a",
    "    agent: x",
    "    action: y",
    ...lines.map((line) => `    ${line}`),
  ].join("\n");

describe("a workflow", () => {
  const definition = parseWorkflow(release, "release.yaml");

  it("is read with defaults filled in", () => {
    const [log, publish, write] = definition.steps;
    expect(definition).toMatchObject({ file: "release.yaml", name: "release-notes", seed: 42 });
    expect(log).toMatchObject({
      id: "log",
      agent: "reader@v1",
      action: "process.run",
      needs: [],
      dependencies: [],
      timeoutMs: 90_000,
      retry: { attempts: 2, delayMs: 0 },
      onDenied: "stop",
      onError: "stop",
      if: undefined,
      scope: undefined,
      position: { line: 10, column: 9 },
      actionPosition: { line: 12, column: 13 },
    });
    expect(write).toMatchObject({
      onDenied: "continue",
      onError: "continue",
      retry: { attempts: 1, delayMs: 500 },
    });
    expect(publish?.dependencies).toEqual(["log", "write"]);
    expect(definition.order).toEqual(["log", "write", "publish"]);
    expect(definition.inputs.map(({ name, required, default: value }) => [name, required, value])).toEqual([
      ["count", false, 3],
      ["folder", false, "/workspace"],
      ["tag", true, undefined],
    ]);
  });

  it("is frozen", () => {
    for (const value of [
      definition,
      definition.steps,
      definition.steps[0],
      definition.inputs,
      definition.inputs[0],
      definition.source,
      definition.order,
    ]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it("can be recorded as JSON and read again to the same effect (R6)", () => {
    const recorded = JSON.parse(JSON.stringify(definition.source)) as JsonObject;
    const again = workflowFromJson(recorded);
    expect(again.source).toEqual(definition.source);
    expect(again.order).toEqual(definition.order);
    const scope = {
      inputs: { folder: "/w", tag: "v1", count: 1 },
      steps: { log: { output: { stdout: "text" } } },
      run: {},
    };
    const template = again.steps[2]?.with;
    expect(template && evaluateTemplate(template, scope)).toEqual({
      path: "/w/notes/v1.md",
      content: "text",
    });
  });

  it("that was recorded and then damaged is refused", () => {
    const damaged = { ...definition.source, steps: [] };
    expect(() => workflowFromJson(damaged)).toThrow(DocumentError);
    expect(() => workflowFromJson(damaged)).toThrow(
      "recorded definition:1:1: `steps` must hold at least one step",
    );
    expect(() => workflowFromJson({ name: () => "x" })).toThrow(InvalidDataError);
  });

  it("may be JSON", () => {
    const text = '{"name": "w", "steps": [{"id": "a", "agent": "x", "action": "y", "if": true}]}';
    expect(parseWorkflow(text, "w.json").steps[0]).toMatchObject({ id: "a", if: true });
  });
});

describe("what is wrong is said with its place", () => {
  it.each<[string, string, string, string, string?]>([
    [
      "YAML syntax",
      "name: w\nsteps: [\n",
      "3:1",
      "the document is not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
      "look at the indentation, brackets and quotes here and on the line before; text with `: ` or ` #` needs quotes",
    ],
    ["an empty file", "", "1:1", "the document must be a map"],
    ["a list", "- a", "1:1", "the document must be a map"],
    ["a missing name", "steps: [{id: a, agent: x, action: y}]", "1:1", "`name` is missing"],
    [
      "a bad name",
      "name: a b\nsteps: [{id: a, agent: x, action: y}]",
      "1:7",
      "`name` must begin with a letter or digit and hold only letters, digits and . _ @ : - (at most 128)",
    ],
    ["no steps", "name: w\nsteps: []", "2:8", "`steps` must hold at least one step"],
    ["a step that is a number", "name: w\nsteps:\n  - 5", "3:5", "`steps[0]` must be a map, not a number"],
    ["a step without an id", "name: w\nsteps:\n  - agent: x", "3:5", "`steps[0].id` is missing"],
    [
      "a bad id",
      "name: w\nsteps:\n  - {id: ../a, agent: x, action: y}",
      "3:10",
      "`steps[0].id` must begin with a letter or digit and hold only letters, digits and . _ @ : - (at most 128)",
    ],
    ["a duplicate key", oneStep("if: true", "if: false"), "7:5", "the key `if` stands twice in this map"],
    [
      "a duplicate id",
      "name: w\nsteps:\n  - {id: a, agent: x, action: y}\n  - {id: a, agent: x, action: y}",
      "4:10",
      "the step id `a` is taken",
      "it is first used in line 3",
    ],
    ["an unknown key", oneStep("nedds: []"), "6:5", "unknown key `nedds`", "did you mean `needs`?"],
    [
      "an unknown key of the document",
      `${oneStep()}\nsecrets: {}`,
      "6:1",
      "unknown key `secrets`",
      "the keys are: name, description, inputs, seed, steps",
    ],
    [
      "an unknown key of retry",
      oneStep("retry: {attempt: 1}"),
      "6:13",
      "unknown key `attempt`",
      "did you mean `attempts`?",
    ],
    [
      "an unknown key of an input",
      `inputs: {a: {typ: string}}\n${oneStep()}`,
      "1:14",
      "unknown key `typ`",
      "did you mean `type`?",
    ],
    [
      "an input without a value",
      `inputs: {a: }\n${oneStep()}`,
      "1:13",
      "`inputs.a` must be text or a number or true or false or a list or a map, not null",
    ],
    [
      "a bad input name",
      `inputs: {9a: 1}\n${oneStep()}`,
      "1:10",
      "`9a` must begin with a letter and hold only letters, digits, _ and - (at most 64)",
    ],
    [
      "a default of another type",
      `inputs:\n  a: {type: number, default: x}\n${oneStep()}`,
      "2:30",
      "the default of input `a` is not a number",
    ],
    [
      "a required default",
      `inputs:\n  a: {default: x, required: true}\n${oneStep()}`,
      "2:19",
      "input `a` has a default and cannot be required",
    ],
    [
      "a fraction as seed",
      `seed: 1.5\n${oneStep()}`,
      "1:7",
      "`seed` must be a whole number or text, not a number",
    ],
    [
      "a number out of range",
      `seed: 99999999999999999999\n${oneStep()}`,
      "1:7",
      "the number has no exact JSON form",
      "write it as text, in quotes",
    ],
    [
      "an unknown need",
      oneStep("needs: [lgo, a]").replace("id: a", "id: log"),
      "6:13",
      "step `log` needs unknown step `lgo`",
      "did you mean `log`?",
    ],
    [
      "a need given twice",
      `${oneStep("needs: [b, b]")}\n  - {id: b, agent: x, action: y}`,
      "6:16",
      "step `a` needs `b` twice",
    ],
    [
      "a step that needs itself",
      oneStep("needs: [a]"),
      "6:13",
      "the steps need each other in a circle: a → a",
    ],
    [
      "an agent that is an expression (R6)",
      oneStep().replace("agent: x", "agent: ${{ inputs.who }}"),
      "4:12",
      "`agent` must be a literal, not an expression",
      "use one step for each, with an `if`",
    ],
    [
      "an action that is an expression (R6)",
      oneStep().replace("action: y", "action: ${{ inputs.what }}"),
      "5:13",
      "`action` must be a literal, not an expression",
      "use one step for each, with an `if`",
    ],
    [
      "an agent that is no id",
      oneStep().replace("agent: x", "agent: x*"),
      "4:12",
      "`agent` must be a name of letters, digits and . _ @ : -, not `x*`",
    ],
    ["too many retries", oneStep("retry: 11"), "6:12", "`steps[0].retry` must be at most 10"],
    [
      "retry as text",
      oneStep("retry: often"),
      "6:12",
      "`steps[0].retry` must be a number or a map, not text",
    ],
    [
      "a bad delay",
      oneStep("retry: {attempts: 1, delay: soon}"),
      "6:33",
      "`soon` is not a duration",
      "durations look like 500ms, 45s, 15m, 12h, 30d, 2w or 1h30m",
    ],
    [
      "a bad timeout",
      oneStep("timeout: 5x"),
      "6:14",
      "`5x` is not a duration",
      "durations look like 500ms, 45s, 15m, 12h, 30d, 2w or 1h30m",
    ],
    ["no time at all", oneStep("timeout: 0s"), "6:14", "`timeout` must be longer than zero"],
    [
      "a timeout that timers cannot hold",
      oneStep("timeout: 30d"),
      "6:14",
      "`timeout` must be shorter than 24 days",
    ],
    [
      "an unknown reaction",
      oneStep("on_denied: panic"),
      "6:16",
      "`steps[0].on_denied` must be `stop` or `continue`",
    ],
    ["parameters that are no map", oneStep("with: [1]"), "6:11", "`steps[0].with` must be a map, not a list"],
    [
      "an expression in a key",
      oneStep("with: {'${{ run.id }}': 1}"),
      "6:12",
      "a key cannot hold an expression",
      "only values are filled in",
    ],
    [
      "an expression that is not closed",
      oneStep("with: {p: 'a ${{ run.id }'}"),
      "6:18",
      "the expression is not closed",
      "end it with }}",
    ],
    [
      "a bad expression, at its column",
      oneStep("with: {p: 'ab ${{ 1 + }}'}"),
      "6:27",
      "the expression is not valid: unexpected token: EOF",
    ],
    [
      "a bad expression in plain text",
      oneStep("if: run.id == == 1"),
      "6:19",
      "the expression is not valid: unexpected token: EQ",
    ],
    [
      "a bad expression in a literal block",
      oneStep("with:", "  t: |", "    one", "      two ${{ run.idd }}"),
      "9:19",
      "`run` has no field `idd`",
      "did you mean `id`?",
    ],
    [
      "a bad expression behind escapes, at the text",
      oneStep('with: {p: "\\t${{ 1 + }}"}'),
      "6:15",
      "the expression is not valid: unexpected token: EOF",
    ],
    [
      "an unknown function",
      oneStep("if: now() > 1"),
      "6:9",
      "unknown function `now`",
      "the functions are: size, int, double, string, bool, type, timestamp, duration",
    ],
    [
      "an unknown variable",
      oneStep("if: input.a"),
      "6:9",
      "unknown variable `input`",
      "did you mean `inputs`?",
    ],
    [
      "an unknown input",
      `inputs: {folder: x}\n${oneStep("if: inputs.foldr == ''")}`,
      "7:9",
      "unknown input `foldr`",
      "did you mean `folder`?",
    ],
    [
      "an inherited member as input",
      oneStep("if: inputs.constructor == ''"),
      "6:9",
      "unknown input `constructor`",
      "declare it under `inputs`",
    ],
    ["an unknown step", oneStep("if: steps.nope.output == 1"), "6:9", "unknown step `nope`"],
    [
      "an inherited member as step",
      oneStep("if: steps.toString.output == 1"),
      "6:9",
      "unknown step `toString`",
    ],
    ["a step's own result", oneStep("if: steps.a.output == 1"), "6:9", "step `a` cannot use its own result"],
    [
      "a step that is not needed",
      `${oneStep("if: true || steps.b.output == 1")}\n  - {id: b, agent: x, action: y}`,
      "6:17",
      "step `a` uses `b` but does not depend on it",
      "add `b` to its needs",
    ],
    [
      "a step with a dash, dotted",
      `${oneStep("needs: [b-c]", "if: steps.b.status == ''")}\n  - {id: b-c, agent: x, action: y}`,
      "7:9",
      "unknown step `b`",
      'write steps["b-c"]',
    ],
    [
      "a field that steps do not have",
      `${oneStep("needs: [bcd]", "if: steps.bcd.text == ''")}\n  - {id: bcd, agent: x, action: y}`,
      "7:9",
      "a step has no field `text`",
      "write steps.bcd.output.text for a part of its output",
    ],
    [
      "a computed step",
      oneStep("if: steps[run.id].output == 1"),
      "6:9",
      "`steps` must be followed by the name of one step",
      'write steps.name or steps["name"]: what a step depends on is known before the run',
    ],
    [
      "all steps at once",
      oneStep("if: steps.map(s, s) == []"),
      "6:9",
      "`steps` must be followed by the name of one step",
      'write steps.name or steps["name"]: what a step depends on is known before the run',
    ],
    [
      "a condition with text around it",
      oneStep("if: yes ${{ true }}"),
      "6:9",
      "a condition is one expression, not text with expressions in it",
    ],
    [
      "a bad capability",
      oneStep("capability: fs:read:a/b"),
      "6:25",
      "invalid capability `fs:read:a/b` at 8: found `a`, expected an absolute path",
    ],
    [
      "a computed action of a capability",
      oneStep("capability: fs:${{ run.id }}:/x"),
      "6:17",
      "domain and action of a capability are literals; only its resource may hold expressions",
    ],
    [
      "a bad scope",
      oneStep("capability: fs:read", "scope: a"),
      "7:12",
      "invalid capability `a` at 0: found `a`, expected an absolute path",
    ],
    [
      "an unknown input in a capability",
      oneStep("capability: fs:read:/${{ inputs.q }}"),
      "6:30",
      "unknown input `q`",
      "declare it under `inputs`",
    ],
  ])("%s", (_, text, at, message, hint) => {
    expect(problem(text)).toEqual({ at, message, hint });
  });

  it("a circle of steps is named, where it closes", () => {
    const text = [
      "name: w",
      "steps:",
      ...["abc", "bca", "cab"].map(([id, need]) => `- {id: ${id}, agent: x, action: y, needs: [${need}]}`),
    ].join("\n");
    expect(problem(text)).toMatchObject({
      at: "3:40",
      message: "the steps need each other in a circle: a → b → c → a",
    });
  });

  it("of several problems the first in the document is reported", () => {
    const text = `${oneStep("timeout: 5x", "if: inputs.q")}\n  - {id: a, agent: "\${{ 1 }}", action: y, needs: [zzz]}`;
    expect(problem(text)).toMatchObject({ at: "6:14" });
  });

  it("an unknown action is refused with the nearest known one", () => {
    const definition = parseWorkflow(oneStep().replace("action: y", "action: fs.raed"), "w.yaml");
    const known = new Set(["fs.read", "fs.write"]);
    try {
      checkActions(definition, known);
      throw new Error("nothing was thrown");
    } catch (error) {
      expect(error).toBeInstanceOf(DocumentError);
      expect(error).toMatchObject({
        code: "invalid_workflow",
        line: 5,
        column: 13,
        hint: "did you mean `fs.read`?",
      });
    }
    checkActions(definition, new Set(["fs.raed"]));
  });
});

describe("names that every object inherits", () => {
  it("are ordinary names of steps and inputs", () => {
    const text = `name: w
inputs: { constructor: 1, toString: x }
steps:
  - { id: constructor, agent: x, action: y, with: { hasOwnProperty: "\${{ inputs.constructor }}" } }
  - { id: valueOf, agent: x, action: y, needs: [constructor], if: steps.constructor.output == 1 && inputs.toString == "x" }
`;
    const definition = parseWorkflow(text, "w.yaml");
    expect(definition.order).toEqual(["constructor", "valueOf"]);
    const template = definition.steps[0]?.with;
    expect(
      template && evaluateTemplate(template, { inputs: { ["constructor"]: 7 }, steps: {}, run: {} }),
    ).toEqual({ hasOwnProperty: 7 });
  });

  it("`__proto__` is refused as a key wherever it stands", () => {
    expect(problem(oneStep("with: {a: {__proto__: {b: 1}}}"))).toMatchObject({
      at: "6:16",
      message: "the key `__proto__` is not allowed",
    });
    expect(problem(`inputs: {"__proto__": 1}\n${oneStep()}`)).toMatchObject({
      at: "1:10",
      message: "the key `__proto__` is not allowed",
    });
  });
});

describe("inputs of a run", () => {
  const definition = parseWorkflow(`${release}`, "w.yaml");

  function refusal(given: JsonObject): { path: string; message: string; hint: string | undefined } {
    try {
      resolveInputs(definition, given);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidDataError);
      expect((error as InvalidDataError).code).toBe("invalid_data");
      const { path, message, hint } = error as InvalidDataError;
      return { path, message, hint };
    }
    throw new Error("nothing was thrown");
  }

  it("take defaults for what is not given", () => {
    expect(resolveInputs(definition, { tag: "v1" })).toEqual({ count: 3, folder: "/workspace", tag: "v1" });
  });

  it("must be known, complete and of the declared type", () => {
    expect(refusal({ tag: "v1", cuont: 1 })).toEqual({
      path: "inputs.cuont",
      message: "workflow `release-notes` has no input `cuont`",
      hint: "did you mean `count`?",
    });
    expect(refusal({})).toMatchObject({ path: "inputs.tag", message: "input `tag` is required" });
    expect(refusal({ tag: 1 })).toMatchObject({
      path: "inputs.tag",
      message: "input `tag` must be a string",
    });
    expect(refusal({ tag: "x", constructor: 1 })).toMatchObject({
      path: "inputs.constructor",
    });
  });
});
