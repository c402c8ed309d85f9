import { type CapabilityTemplate, parseTemplate } from "./template.js";

/** Which reference server (github.com/modelcontextprotocol/servers) a server is; its tools are known here. */
export type ReferenceServer = "filesystem" | "fetch" | "git" | "memory";

type Table = Readonly<Record<string, readonly string[]>>;

const readFile = ["fs:read:{path}"];
const writeFile = ["fs:write:{path}"];
const listBelow = ["fs:list:{path}/**"];
const readRepository = ["fs:read:{repo_path}/**"];
const writeRepository = ["fs:read:{repo_path}/**", "fs:write:{repo_path}/**"];
const readGraph = ["memory:read:{server}/**"];
const writeGraph = ["memory:write:{server}/**"];

const tables: Readonly<Record<ReferenceServer, Table>> = {
  filesystem: {
    read_file: readFile,
    read_text_file: readFile,
    read_media_file: readFile,
    read_multiple_files: ["fs:read:{paths}"],
    write_file: writeFile,
    // The answer shows what stood there.
    edit_file: ["fs:read:{path}", "fs:write:{path}"],
    create_directory: writeFile,
    list_directory: ["fs:list:{path}"],
    list_directory_with_sizes: ["fs:list:{path}"],
    directory_tree: listBelow,
    search_files: listBelow,
    get_file_info: ["fs:list:{path}"],
    // What was readable at one place becomes readable at another, and a folder moves with all that is in it.
    move_file: ["fs:read:{source}/**", "fs:delete:{source}/**", "fs:write:{destination}/**"],
  },
  fetch: { fetch: ["net:http:GET {url}"] },
  git: {
    git_status: readRepository,
    git_diff_unstaged: readRepository,
    git_diff_staged: readRepository,
    git_diff: readRepository,
    git_log: readRepository,
    git_show: readRepository,
    git_branch: readRepository,
    git_add: writeRepository,
    git_commit: writeRepository,
    git_commit_signed: writeRepository,
    git_reset: writeRepository,
    git_create_branch: writeRepository,
    git_checkout: writeRepository,
    git_init: writeRepository,
  },
  memory: {
    read_graph: readGraph,
    search_nodes: readGraph,
    open_nodes: readGraph,
    create_entities: writeGraph,
    create_relations: writeGraph,
    add_observations: writeGraph,
    delete_entities: writeGraph,
    delete_observations: writeGraph,
    delete_relations: writeGraph,
  },
};

/** Prompts that do something with their arguments when they are asked for. */
const promptTables: Readonly<Partial<Record<ReferenceServer, Table>>> = {
  // Its answer is the page.
  fetch: { fetch: ["net:http:GET {url}"] },
};

/**
 * Arguments that end up in a command line of the server's own, where a text that begins with `-` is an option: by
 * `git diff --output=FILE` what only reads a repository writes any file.
 */
const commandArguments: Readonly<Partial<Record<ReferenceServer, readonly string[]>>> = {
  git: [
    "target",
    "revision",
    "branch_name",
    "base_branch",
    "contains",
    "not_contains",
    "start_timestamp",
    "end_timestamp",
    "files",
    "key_id",
  ],
};

export const referenceServers = Object.freeze(Object.keys(tables) as ReferenceServer[]);

/** Package names, on npm and on PyPI. */
const packages: Readonly<Record<string, ReferenceServer>> = {
  "@modelcontextprotocol/server-filesystem": "filesystem",
  "@modelcontextprotocol/server-memory": "memory",
  "@modelcontextprotocol/server-fetch": "fetch",
  "@modelcontextprotocol/server-git": "git",
  "mcp-server-fetch": "fetch",
  "mcp-server-git": "git",
  mcp_server_fetch: "fetch",
  mcp_server_git: "git",
};

export type Templates = ReadonlyMap<string, readonly CapabilityTemplate[]>;

/** What is known of a reference server. */
export function referenceMapping(kind: ReferenceServer): {
  readonly tools: Templates;
  readonly prompts: Templates;
  readonly commandArguments: readonly string[];
} {
  return {
    tools: templatesOf(tables[kind]),
    prompts: templatesOf(promptTables[kind] ?? {}),
    commandArguments: commandArguments[kind] ?? [],
  };
}

function templatesOf(table: Table): Templates {
  return new Map(Object.entries(table).map(([name, texts]) => [name, texts.map(parseTemplate)]));
}

/**
 * Which reference server a command line starts: by its package as a word (`npx -y <package>@2026.8.31`, `uvx
 * mcp-server-git`), or as a part of a path to it (`node …/node_modules/<package>/dist/index.js`).
 */
export function recognise(command: string, args: readonly string[]): ReferenceServer | undefined {
  for (const word of [command, ...args]) {
    for (const [name, kind] of Object.entries(packages)) if (names(word, name)) return kind;
  }
  return undefined;
}

function names(word: string, name: string): boolean {
  if (word === name || word.startsWith(`${name}@`) || word.startsWith(`${name}==`)) return true;
  return `/${word.replaceAll("\\", "/")}/`.includes(`/${name}/`);
}
