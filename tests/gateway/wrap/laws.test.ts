/** Laws of `wrap` and `unwrap`, on configurations with any comments, line endings and order of members. */
import fc from "fast-check";
import { parse } from "jsonc-parser";
import { describe, expect, test } from "vitest";
import { unwrapConfig, wrapConfig } from "../../../src/gateway/wrap/rewrite-config.js";
import { wrappedServer } from "../../../src/gateway/wrap/wrapped-server.js";
import { configText } from "./configs.js";

const template = {
  launcher: ["/opt/node", "/opt/synapse/cli/main.js"],
  agent: "assistant",
  db: "/home/ada/.synapse/synapse.db",
  anchor: undefined,
};
const wrap = (text: string) => wrapConfig(text, "mcp.json", template);
const unwrap = (text: string) => unwrapConfig(text, "mcp.json");

type Json = { readonly [key: string]: unknown };
const value = (text: string): Json => parse(text, [], { allowTrailingComma: true }) as Json;
const at = (json: Json, path: readonly string[]): Json => path.reduce((part, key) => part[key] as Json, json);
const without = (json: Json, ...keys: readonly string[]): Json =>
  Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)));
const runs = { numRuns: 200 };

describe("laws", () => {
  test("unwrap ∘ wrap gives back the same bytes", () => {
    fc.assert(
      fc.property(configText, (text) => {
        expect(unwrap(wrap(text).text).text).toBe(text);
      }),
      runs,
    );
  });

  test("wrap ∘ wrap = wrap", () => {
    fc.assert(
      fc.property(configText, (text) => {
        const once = wrap(text);
        const twice = wrap(once.text);
        expect(twice.text).toBe(once.text);
        const changed = twice.servers.filter(({ status }) => status === "wrapped" || status === "relaunched");
        expect(changed).toEqual([]);
      }),
      runs,
    );
  });

  test("unwrap alone changes nothing", () => {
    fc.assert(
      fc.property(configText, (text) => {
        expect(unwrap(text).text).toBe(text);
      }),
      runs,
    );
  });

  test("only command and args change, and what the gateway is told is the server that was there", () => {
    let wrapped = 0;
    const property = fc.property(configText, (text) => {
      const result = wrap(text);
      const before = value(text);
      const after = value(result.text);
      for (const { name, path, status } of result.servers) {
        const old = at(before, path);
        const now = at(after, path);
        if (status !== "wrapped") {
          expect(now).toEqual(old);
          continue;
        }
        wrapped++;
        const args = now["args"] as string[];
        // By its place, for a server may be called `--`.
        const split = 10;
        expect(args[split]).toBe("--");
        expect(now["command"]).toBe("/opt/node");
        expect(args.slice(0, 2)).toEqual(["/opt/synapse/cli/main.js", "gateway"]);
        const env = (now["env"] ?? {}) as { [name: string]: string };
        if ("command" in old) {
          expect(args.slice(split + 1)).toEqual([old["command"], ...((old["args"] ?? []) as string[])]);
          expect({ ...now, command: 0, args: 0 }).toEqual({ ...old, command: 0, args: 0 });
        } else {
          const [key = ""] = ["url", "serverUrl", "httpUrl"].filter((one) => one in old);
          expect(args.join(" ")).not.toContain("mcp.example");
          expect(env["SYNAPSE_MCP_URL"]).toBe(old[key]);
          const { type } = now;
          expect(without(now, "command", "args", "env", "type")).toEqual(
            without(old, key, "headers", "type"),
          );
          expect(type).toBe(old["type"] === undefined ? undefined : "stdio");
        }
        expectSameServer(name, args.slice(split + 1), env, old);
      }
      expect(Object.keys(after)).toEqual(Object.keys(before));
    });
    fc.assert(property, runs);
    expect(wrapped).toBeGreaterThan(50);
  });

  test("a client that writes the file in its own form loses us nothing", () => {
    fc.assert(
      fc.property(configText, fc.constantFrom<string | number>(0, 2, "\t"), (text, indent) => {
        const rewritten = JSON.stringify(value(wrap(text).text), null, indent);
        expect(value(unwrap(rewritten).text)).toEqual(value(text));
      }),
      runs,
    );
  });

  test("another Synapse starts it: only the launcher changes, and unwrap still gives back the same bytes", () => {
    fc.assert(
      fc.property(configText, fc.constantFrom(["synapse"], ["a", "b", "c"]), (text, launcher) => {
        const elsewhere = wrapConfig(text, "mcp.json", { ...template, launcher });
        const moved = wrap(elsewhere.text);
        expect(moved.text.replaceAll(/\s/g, "")).toBe(wrap(text).text.replaceAll(/\s/g, ""));
        expect(unwrap(moved.text).text).toBe(text);
      }),
      runs,
    );
  });
});

/** Unless the gateway would refuse it for its characters, which wrapped-server.test.ts is about. */
function expectSameServer(
  name: string,
  words: readonly string[],
  env: { [name: string]: string },
  old: Json,
): void {
  if (words.length > 0) {
    expect(wrappedServer(name, words, {})).toMatchObject({
      command: old["command"],
      args: old["args"] ?? [],
    });
    return;
  }
  const headers = Object.entries((old["headers"] ?? {}) as { [name: string]: string });
  const texts = [...headers.map(([, text]) => text), env["SYNAPSE_MCP_URL"] ?? ""];
  if (texts.some((text) => /\$\{[^}]*\}|[^\x20-\x7e]/.test(text))) return;
  expect(wrappedServer(name, words, env)).toMatchObject({
    kind: "http",
    url: env["SYNAPSE_MCP_URL"],
    headers,
  });
}
