import { defineAction, type Preparation } from "../core/action.js";
import type { JsonBytes } from "../core/ports.js";
import { capability } from "../model/capability/index.js";
import type { JsonObject, JsonValue } from "../model/json.js";
import { bytesSchema } from "./schemas.js";
import { fromWorkingFolder } from "./working-path.js";

interface PathParams extends JsonObject {
  /** Absolute, or relative to the working folder; without `.`, `..` and empty segments. */
  readonly path: string;
}

interface WriteParams extends PathParams {
  readonly content: string | JsonBytes;
}

const path = { type: "string", minLength: 1 };
const pathOnly: JsonObject = {
  type: "object",
  properties: { path },
  required: ["path"],
  additionalProperties: false,
};
const pathAndContent: JsonObject = {
  type: "object",
  properties: { path, content: { anyOf: [{ type: "string" }, bytesSchema] } },
  required: ["path", "content"],
  additionalProperties: false,
};

const prepare = (params: PathParams, { workingFolder }: Preparation): JsonObject => ({
  ...params,
  path: fromWorkingFolder(workingFolder, params.path) as JsonValue,
});

/** Files and folders through the `fs` handle (SEMANTICS H3). */
export const fsActions = Object.freeze({
  /** `{path}` gives `{text}` for UTF-8, else `{bytes: {$bytes}}`. */
  read: defineAction<PathParams>({
    name: "fs.read",
    params: pathOnly,
    prepare,
    requires: (params) => capability("fs", "read", params.path),
    idempotent: true,
    replayable: true,
    run: (params, handles) => handles.fs.read(params.path),
  }),
  /** `{path, content}` gives `{bytes_written}`; atomic. */
  write: defineAction<WriteParams>({
    name: "fs.write",
    params: pathAndContent,
    prepare,
    requires: (params) => capability("fs", "write", params.path),
    idempotent: true,
    replayable: true,
    run: (params, handles) => handles.fs.write(params.path, params.content),
  }),
  /** `{path}` gives `{entries: [{name, type}], unreadable_names}`, sorted. */
  list: defineAction<PathParams>({
    name: "fs.list",
    params: pathOnly,
    prepare,
    requires: (params) => capability("fs", "list", params.path),
    idempotent: true,
    replayable: true,
    run: (params, handles) => handles.fs.list(params.path),
  }),
  /** `{path}`: a file, a symlink itself, or an empty folder. */
  delete: defineAction<PathParams>({
    name: "fs.delete",
    params: pathOnly,
    prepare,
    requires: (params) => capability("fs", "delete", params.path),
    replayable: true,
    run: (params, handles) => handles.fs.delete(params.path),
  }),
});
