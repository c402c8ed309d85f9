/** `synapse gateway wrap` and `unwrap` on real files. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { document, expectRefusal, folder, synapse } from "../../cli/invoke.js";
import { readConfigFile, replaceConfigFile } from "../../../src/gateway/wrap/config-file.js";
import { SynapseError } from "../../../src/model/errors.js";

const config = `{
  // mine
  "mcpServers": {
    "files": { "command": "npx", "args": ["-y", "server"] },
    "odd": { "url": "ws://x.example/" }
  }
}
`;
const launcher = ["--command", "/opt/synapse"];
const wrap = (cwd: string, ...more: string[]) => synapse({ cwd }, "gateway", "wrap", ...more, ...launcher);
const unwrap = (cwd: string, ...more: string[]) => synapse({ cwd }, "gateway", "unwrap", ...more);
const text = (cwd: string, name = "mcp.json") => readFileSync(join(cwd, name), "utf8");

describe("wrap and unwrap", () => {
  test("the file goes through the gateway, a backup holds what was there, and unwrap brings it back", async () => {
    const cwd = folder({ "mcp.json": config });
    const wrapped = await wrap(cwd, "mcp.json", "--agent", "ada", "--db", "state/log.db");
    expect(wrapped.code).toBe(0);
    expect(wrapped.stdout).toBe(
      `files: goes through the gateway\nodd: left as it is\nas it was before: ${cwd}/mcp.json.synapse-backup\n`,
    );
    expect(wrapped.stderr).toContain("note: `odd` was left as it is: its address is not http or https\n");
    expect(wrapped.stderr).toContain(`note: there is no database ${cwd}/state/log.db yet`);
    expect(text(cwd)).toContain(
      `"command": "/opt/synapse", "args": ["gateway", "--wrapped", "stdio", "--agent", "ada", "--server", "files", "--db", "${cwd}/state/log.db", "--", "npx", "-y", "server"]`,
    );
    expect(text(cwd, "mcp.json.synapse-backup")).toBe(config);
    const unwrapped = await unwrap(cwd, "mcp.json");
    expect(unwrapped).toMatchObject({ code: 0, stderr: "" });
    expect(unwrapped.stdout).toBe(
      "files: no longer goes through the gateway\nodd: does not go through the gateway\n",
    );
    expect(text(cwd)).toBe(config);
  });

  test("twice is once: nothing is written, and the agent stays", async () => {
    const cwd = folder({ "mcp.json": config });
    await wrap(cwd, "mcp.json", "--agent", "ada");
    const once = statSync(join(cwd, "mcp.json"), { bigint: true });
    const again = await wrap(cwd, "mcp.json", "--json");
    expect(document(again)).toEqual({
      file: join(cwd, "mcp.json"),
      changed: false,
      dry_run: false,
      backup: null,
      servers: [
        { name: "files", path: ["mcpServers", "files"], status: "already_wrapped", reason: null },
        {
          name: "odd",
          path: ["mcpServers", "odd"],
          status: "left_alone",
          reason: "its address is not http or https",
        },
      ],
    });
    const twice = statSync(join(cwd, "mcp.json"), { bigint: true });
    expect([twice.ino, twice.mtimeNs]).toEqual([once.ino, once.mtimeNs]);
    expect(readdirSync(cwd).sort()).toEqual(["mcp.json", "mcp.json.synapse-backup"]);
  });

  test("--dry-run shows what would change and writes nothing", async () => {
    const cwd = folder({ "mcp.json": config });
    const { stdout } = await wrap(cwd, "mcp.json", "--db", "d.db", "--dry-run");
    expect(stdout).toBe(
      [
        "files: goes through the gateway",
        "  - npx -y server",
        `  + /opt/synapse gateway --wrapped stdio --agent assistant --server files --db ${cwd}/d.db -- npx -y server`,
        "odd: left as it is",
        "nothing was written",
        "",
      ].join("\n"),
    );
    expect(text(cwd)).toBe(config);
    expect(readdirSync(cwd)).toEqual(["mcp.json"]);
  });

  test("--dry-run shows no address and no header, which may hold a token", async () => {
    const remote = { url: "https://x.example/?key=secret", headers: { Authorization: "Bearer secret" } };
    const cwd = folder({ "mcp.json": JSON.stringify({ mcpServers: { api: remote } }) });
    const shown = await wrap(cwd, "mcp.json", "--dry-run");
    expect(shown.stdout).toMatch(
      / {2}- '\(a remote server\)'\n {2}\+ \/opt\/synapse gateway --wrapped url,headers /,
    );
    await wrap(cwd, "mcp.json");
    const undone = await unwrap(cwd, "mcp.json", "--dry-run");
    expect(shown.stdout + shown.stderr + undone.stdout + undone.stderr).not.toContain("secret");
  });

  test("--only", async () => {
    const cwd = folder({
      "mcp.json": '{"servers":{"a":{"command":"x"},"b":{"command":"y"},"c":{"command":"z"}}}',
    });
    const only = document(await wrap(cwd, "mcp.json", "--only", "a", "--only", "b", "--json"));
    expect(only["servers"]).toMatchObject([{ name: "a" }, { name: "b" }]);
    expect(text(cwd)).toContain('"c":{"command":"z"}');
    await unwrap(cwd, "mcp.json", "--only", "a");
    expect(text(cwd)).toContain('"a":{"command":"x"}');
    expect(text(cwd)).toContain('"b":{"command":"/opt/synapse"');
    expectRefusal(
      await wrap(cwd, "mcp.json", "--only", "d"),
      2,
      "not_found",
      /`d`\nhint: the file has a, b, c/,
    );
  });

  test("a name that a terminal would obey is made visible", async () => {
    const cwd = folder({ "mcp.json": '{"servers":{"\\u001b[2J":{"command":"x"}}}' });
    const { stdout, stderr } = await wrap(cwd, "mcp.json");
    expect(stdout + stderr).not.toContain("\u001b");
    expect(stdout).toContain("\\x1b[2J: left as it is");
  });
});

describe("the file on disk", () => {
  test("byte order mark, line endings and mode are kept; the backup has the same mode", async () => {
    const bytes = `\ufeff${config.replaceAll("\n", "\r\n")}`;
    const cwd = folder({ "mcp.json": bytes });
    chmodSync(join(cwd, "mcp.json"), 0o640);
    await wrap(cwd, "mcp.json");
    expect(text(cwd).startsWith("\ufeff{\r\n")).toBe(true);
    for (const name of ["mcp.json", "mcp.json.synapse-backup"])
      expect(statSync(join(cwd, name)).mode & 0o777).toBe(0o640);
    await unwrap(cwd, "mcp.json");
    expect(text(cwd)).toBe(bytes);
  });

  test("where a symbolic link leads is replaced, and the link stays", async () => {
    const cwd = folder();
    mkdirSync(join(cwd, "dotfiles"));
    writeFileSync(join(cwd, "dotfiles/mcp.json"), config);
    symlinkSync("dotfiles/mcp.json", join(cwd, "mcp.json"));
    await wrap(cwd, "mcp.json");
    expect(lstatSync(join(cwd, "mcp.json")).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(cwd, "mcp.json"))).toBe("dotfiles/mcp.json");
    expect(text(cwd, "dotfiles/mcp.json")).toContain("/opt/synapse");
    expect(readdirSync(join(cwd, "dotfiles")).sort()).toEqual(["mcp.json", "mcp.json.synapse-backup"]);
  });

  test("a backup is never overwritten; an equal one is used again", async () => {
    const cwd = folder({ "mcp.json": config, "mcp.json.synapse-backup": "mine" });
    const first = document(await wrap(cwd, "mcp.json", "--json"));
    expect(first["backup"]).toBe(join(cwd, "mcp.json.synapse-backup-2"));
    await unwrap(cwd, "mcp.json");
    const second = document(await wrap(cwd, "mcp.json", "--json"));
    expect(second["backup"]).toBe(join(cwd, "mcp.json.synapse-backup-2"));
    expect(text(cwd, "mcp.json.synapse-backup")).toBe("mine");
    expect(text(cwd, "mcp.json.synapse-backup-2")).toBe(config);
  });

  test("a backup's place that leads elsewhere is not followed", async () => {
    const cwd = folder({ "mcp.json": config });
    symlinkSync("victim", join(cwd, "mcp.json.synapse-backup"));
    expectRefusal(await wrap(cwd, "mcp.json"), 1, "unwritable_file");
    expect(existsSync(join(cwd, "victim"))).toBe(false);
    expect(text(cwd)).toBe(config);
  });

  test("somebody else wrote it meanwhile: nothing is written, and nothing is left behind", async () => {
    const cwd = folder({ "mcp.json": config });
    const file = await readConfigFile(join(cwd, "mcp.json"), "mcp.json");
    writeFileSync(join(cwd, "mcp.json"), "{}");
    const replaced = replaceConfigFile(file, "ours", { backup: false });
    await expect(replaced).rejects.toThrow(SynapseError);
    await expect(replaced).rejects.toMatchObject({ code: "file_changed" });
    expect(text(cwd)).toBe("{}");
    expect(readdirSync(cwd)).toEqual(["mcp.json"]);
  });
});

describe("refused, and nothing written", () => {
  test.each<[string, string | Buffer, RegExp, string]>([
    ["broken JSON", '{\n  "servers": {,}\n}', /mcp\.json:2:15: this is not JSON/, "invalid_client_config"],
    ["UTF-16", Buffer.from('{"servers":{}}', "utf16le"), /mcp\.json:1:/, "invalid_client_config"],
    ["not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /it is not UTF-8 text/, "unreadable_file"],
    ["some other file", '{"name":"x"}', /no MCP servers in this file/, "invalid_client_config"],
  ])("%s", async (_, bytes, said, code) => {
    const cwd = folder();
    writeFileSync(join(cwd, "mcp.json"), bytes);
    expectRefusal(await wrap(cwd, "mcp.json"), 2, code, said);
    expectRefusal(await unwrap(cwd, "mcp.json"), 2, code, said);
    expect(readFileSync(join(cwd, "mcp.json"))).toEqual(Buffer.from(bytes));
    expect(readdirSync(cwd)).toEqual(["mcp.json"]);
  });

  test("a file that is not there, a folder, a pipe", async () => {
    const cwd = folder();
    mkdirSync(join(cwd, "d"));
    execFileSync("mkfifo", [join(cwd, "p")]);
    expectRefusal(await wrap(cwd, "none.json"), 2, "unreadable_file", /there is no such file/);
    expectRefusal(await wrap(cwd, "d"), 2, "unreadable_file", /not a regular file/);
    expectRefusal(await wrap(cwd, "p"), 2, "unreadable_file", /not a regular file/);
  });

  test.each<[string, string[], string, RegExp]>([
    ["no file", [], "usage", /config/],
    ["an odd agent", ["mcp.json", "--agent", "a b"], "usage", /agent id/],
    ["a database in memory", ["mcp.json", "--db", ":memory:"], "usage", /a database that stays/],
    ["a database path with a variable", ["mcp.json", "--db", "${HOME}/x.db"], "usage", /could read `\$`/],
    ["a command with a variable", ["mcp.json", "--command", "$HOME/synapse"], "usage", /could read \$/],
    ["a command that is no list", ["mcp.json", "--command", "[1]"], "usage", /it must be words/],
    ["a command that is no JSON", ["mcp.json", "--command", "[x"], "usage", /it is not JSON/],
  ])("%s", async (_, words, code, said) => {
    const cwd = folder({ "mcp.json": config });
    const outcome = await synapse({ cwd }, "gateway", "wrap", ...words);
    expectRefusal(outcome, 2, code, said);
    expect(text(cwd)).toBe(config);
  });
});

describe("what the client starts", () => {
  test("by default this Node and this program, by their paths: it starts without a search path", () => {
    const cwd = folder({ "mcp.json": config });
    const bin = resolve("dist/cli/main.js");
    execFileSync(process.execPath, [bin, "gateway", "wrap", "mcp.json"], { cwd, stdio: "ignore" });
    const { mcpServers } = JSON.parse(text(cwd).replace("// mine", "")) as {
      mcpServers: { files: { command: string; args: string[] } };
    };
    const { command, args } = mcpServers.files;
    expect([command, ...args.slice(0, 2)]).toEqual([process.execPath, bin, "gateway"]);
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    const printed = execFileSync(command, [args[0] ?? "", "--version"], {
      env: {},
      cwd: "/",
      encoding: "utf8",
    });
    expect(printed).toBe(`${version}\n`);
  });

  test("words with spaces are given as JSON", async () => {
    const cwd = folder({ "mcp.json": config });
    await synapse({ cwd }, "gateway", "wrap", "mcp.json", "--command", '["/opt/my tools/synapse","-x"]');
    expect(text(cwd)).toContain('"command": "/opt/my tools/synapse", "args": ["-x", "gateway", ');
  });

  test("a copy in npx's cache is warned about", async () => {
    const cwd = folder({ "mcp.json": config });
    const words = [
      "gateway",
      "wrap",
      "mcp.json",
      "--command",
      "node /home/a/.npm/_npx/1/synapse/dist/cli/main.js",
    ];
    expect((await synapse({ cwd }, ...words)).stderr).toContain("npx's cache");
  });
});
