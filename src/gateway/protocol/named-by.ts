/** The member of the parameters that `Mcp-Name` mirrors (MCP 2026-07-28, standard request headers; extension tasks). */
export const namedBy: Readonly<Record<string, string>> = Object.freeze({
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
});
