import fc from "fast-check";

const word = fc.oneof(
  fc.constantFrom(
    "npx",
    "-y",
    "--",
    "gateway",
    "--wrapped",
    "stdio",
    "",
    "a b",
    "${HOME}",
    "${input:key}",
    "/srv",
  ),
  fc.string({ unit: "binary", maxLength: 8 }).filter((text) => text.isWellFormed()),
);
const unknownKeys = ["disabled", "cwd", "envFile", "timeout", "x", "alwaysAllow"];
const extras = fc.dictionary(
  fc.constantFrom(...unknownKeys),
  fc.oneof(fc.boolean(), word, fc.array(word, { maxLength: 2 }), fc.constant({ command: "x", args: ["y"] })),
  { maxKeys: 2 },
);

function shuffled(members: fc.Arbitrary<object>): fc.Arbitrary<object> {
  return fc.tuple(members, extras).chain(([own, more]) =>
    fc
      .shuffledSubarray(Object.entries({ ...more, ...own }), {
        minLength: Object.keys({ ...more, ...own }).length,
      })
      .map((entries) => Object.fromEntries(entries) as object),
  );
}

const optional = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.option(value, { nil: undefined }).map((it) => (it === undefined ? {} : { [key]: it }));

const localServer = shuffled(
  fc
    .tuple(
      fc.record({ command: word.filter((text) => text !== "") }),
      optional("args", fc.array(word, { maxLength: 4 })),
      optional("env", fc.dictionary(fc.constantFrom("A", "B"), word)),
      optional("type", fc.constant("stdio")),
    )
    .map((parts) => Object.assign({}, ...parts) as object),
);

const remoteServer = shuffled(
  fc
    .tuple(
      fc
        .constantFrom("url", "serverUrl", "httpUrl")
        .chain((key) => word.map((tail) => ({ [key]: `https://mcp.example/${tail}` }))),
      optional("type", fc.constantFrom("http", "streamable-http")),
      optional("headers", fc.dictionary(fc.constantFrom("Authorization", "X-Api-Key", "x_y"), word)),
    )
    .map((parts) => Object.assign({}, ...parts) as object),
);

const oddServer = fc.constantFrom<unknown>(
  null,
  7,
  [],
  {},
  { command: 7 },
  { command: "x", args: "y" },
  { command: "x", args: [1] },
  { command: "x", url: "https://mcp.example/" },
  { url: "ws://mcp.example/" },
  { url: "https://mcp.example/", type: "sse" },
  { url: "https://mcp.example/", headers: { "a b": "c" } },
);

function documents(): fc.Arbitrary<unknown> {
  const servers = fc.dictionary(
    fc.oneof(fc.constantFrom("fs", "my server", "é"), fc.string({ maxLength: 5 })).filter(isName),
    fc.oneof({ weight: 4, arbitrary: localServer }, { weight: 3, arbitrary: remoteServer }, oddServer),
    { maxKeys: 4 },
  );
  const projects = fc.dictionary(
    fc.constantFrom("/home/ada/work", "C:\\work"),
    servers.map((them) => ({ history: ["hello"], mcpServers: them })),
  );
  return fc
    .tuple(
      fc.constantFrom("mcpServers", "servers", "context_servers"),
      servers,
      optional("projects", projects),
      optional("inputs", fc.constant([{ id: "key", type: "promptString" }])),
    )
    .map(
      ([place, them, ...more]) => Object.assign({ first: 1, [place]: them, last: null }, ...more) as object,
    );
}

/** Own and not `__proto__`, which a literal of this language would not make a member of. */
function isName(name: string): boolean {
  return name !== "__proto__" && name.isWellFormed();
}

function triviaText(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("", " ", "\n  ", "\r\n\t", "  ") },
    fc.constantFrom("/* , ] } */", '// it\'s "here": [,]\n    ', " /**/ ", "// x\r\n", "/* a */ // b\n"),
  );
}

function cycle<T>(values: readonly T[]): () => T {
  let at = 0;
  return () => values[at++ % values.length] as T;
}

/** JSON with comments, with something or nothing between any two tokens. */
function written(
  value: unknown,
  trivia: () => string,
  trailingComma: () => boolean,
  escape: () => boolean,
): string {
  const text = (string: string): string =>
    escape()
      ? `"${[...string].map((c) => (/[a-z${}]/.test(c) ? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}` : JSON.stringify(c).slice(1, -1))).join("")}"`
      : JSON.stringify(string);
  const list = (items: readonly string[], open: string, close: string): string => {
    const comma = items.length > 0 && trailingComma() ? `${trivia()},` : "";
    return open + trivia() + items.join(`${trivia()},${trivia()}`) + comma + trivia() + close;
  };
  const write = (it: unknown): string => {
    if (typeof it === "string") return text(it);
    if (Array.isArray(it)) return list(it.map(write), "[", "]");
    if (typeof it !== "object" || it === null) return JSON.stringify(it);
    const members = Object.entries(it).map(
      ([key, member]) => `${JSON.stringify(key)}${trivia()}:${trivia()}${write(member)}`,
    );
    return list(members, "{", "}");
  };
  return trivia() + write(value) + trivia();
}

/** What a property starts from: a configuration as some client or person could have written it. */
export const configText: fc.Arbitrary<string> = fc
  .record({
    document: documents(),
    trivia: fc.array(triviaText(), { minLength: 3, maxLength: 40 }),
    trailingCommas: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
    escapes: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
  })
  .map(({ document, trivia, trailingCommas, escapes }) =>
    written(document, cycle(trivia), cycle(trailingCommas), cycle(escapes)),
  );
