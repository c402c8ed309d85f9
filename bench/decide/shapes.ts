/** One of the ten shapes of pattern that every agent has a binding of. */
export interface Shape {
  /** The capability that is granted to agent number `a`. */
  readonly grant: (a: number) => string;
  /** Something that it covers; `x` is any number. */
  readonly ask: (a: number, x: number) => string;
  /** A resource pattern inside the grant, for `except`, and something that touches it. */
  readonly except: (a: number) => string;
  readonly touch: (a: number, x: number) => string;
}

const home = (a: number): string => `/ws${a % 50}/p${a}`;
const deeper = (x: number): string => ["", "/s", "/s/t"][x % 3] ?? "";

/** The shapes that an agent has one of, in turn: `*` inside a segment, any action, `**` in the middle, a tool. */
const rare: readonly Shape[] = [
  {
    grant: (a) => `fs:write:${home(a)}/reports/q*-final.csv`,
    ask: (a, x) => `fs:write:${home(a)}/reports/q${x}-final.csv`,
    except: (a) => `${home(a)}/reports/*-secret-final.csv`,
    touch: (a, x) => `fs:write:${home(a)}/reports/q${x}-secret-final.csv`,
  },
  {
    grant: (a) => `fs:*:${home(a)}/tmp/**`,
    ask: (a, x) => `fs:${x % 2 === 0 ? "write" : "delete"}:${home(a)}/tmp${deeper(x)}/f${x}`,
    except: (a) => `${home(a)}/tmp/secret/**`,
    touch: (a, x) => `fs:delete:${home(a)}/tmp/secret/f${x}`,
  },
  {
    grant: (a) => `fs:read:${home(a)}/src/**/*.ts`,
    ask: (a, x) => `fs:read:${home(a)}/src${deeper(x)}/f${x}.ts`,
    except: (a) => `${home(a)}/src/secret/**`,
    touch: (a, x) => `fs:read:${home(a)}/src/secret/f${x}.ts`,
  },
  {
    grant: (a) => `mcp:call:files-${a}/read_*`,
    ask: (a, x) => `mcp:call:files-${a}/read_t${x % 50}`,
    except: (a) => `files-${a}/read_secret*`,
    touch: (a, x) => `mcp:call:files-${a}/read_secret${x % 50}`,
  },
];

/** Every kind of pattern there is, and folders more often than others, as people write them. */
export const shapes: readonly Shape[] = [
  folder("d0"),
  folder("d1"),
  folder("d2"),
  folder("d3"),
  folder("d4"),
  {
    grant: (a) => `fs:read:${home(a)}/m/*/logs/**`,
    ask: (a, x) => `fs:read:${home(a)}/m/x${x % 100}/logs/f${x}.log`,
    except: (a) => `${home(a)}/m/*/logs/secret/**`,
    touch: (a, x) => `fs:read:${home(a)}/m/x${x % 100}/logs/secret/f${x}.log`,
  },
  {
    grant: (a) => `fs:write:${home(a)}/out/*`,
    ask: (a, x) => `fs:write:${home(a)}/out/f${x}.txt`,
    except: (a) => `${home(a)}/out/*.key`,
    touch: (a, x) => `fs:write:${home(a)}/out/f${x}.key`,
  },
  {
    grant: (a) => `net:http:GET api.h${a}.test/v1/*/items`,
    ask: (a, x) => `net:http:GET api.h${a}.test/v1/u${x % 100}/items`,
    except: (a) => `api.h${a}.test/v1/secret-*/**`,
    touch: (a, x) => `net:http:GET api.h${a}.test/v1/secret-${x}/items`,
  },
  {
    grant: (a) => `fs:read:${home(a)}/exact/file.txt`,
    ask: (a) => `fs:read:${home(a)}/exact/file.txt`,
    // All of it: then nothing is left, and nothing of it is ever asked for as if it were allowed.
    except: (a) => `${home(a)}/exact/file.txt`,
    touch: (a) => `fs:read:${home(a)}/exact/file.txt`,
  },
  {
    grant: (a) => rareFor(a).grant(a),
    ask: (a, x) => rareFor(a).ask(a, x),
    except: (a) => rareFor(a).except(a),
    touch: (a, x) => rareFor(a).touch(a, x),
  },
];

function rareFor(a: number): Shape {
  return rare[a % rare.length] as Shape;
}

function folder(name: string): Shape {
  return {
    grant: (a) => `fs:read:${home(a)}/${name}/**`,
    ask: (a, x) => `fs:read:${home(a)}/${name}${deeper(x)}/f${x}.ts`,
    except: (a) => `${home(a)}/${name}/secret/**`,
    touch: (a, x) => `fs:read:${home(a)}/${name}/secret/f${x}.ts`,
  };
}

/** What no binding of agent `a` covers: another's folder, one of its own that is not listed, another action, too deep. */
export function outside(a: number, x: number): string {
  switch (x % 6) {
    case 0:
      return `fs:read:${home(a + 1)}/d0/s/f${x}.ts`;
    case 1:
      return `fs:read:${home(a)}/secret/s/f${x}.ts`;
    case 2:
      return `fs:write:${home(a)}/d1/s/f${x}.ts`;
    case 3:
      return `net:http:GET api.h${a}.test/v1/u1/items/f${x}`;
    case 4:
      return `mcp:call:files-${a}/write_t${x % 50}`;
    default:
      return `fs:write:${home(a)}/out/sub/f${x}.txt`;
  }
}
