import { z } from "zod";
import { type ReferenceServer, referenceServers } from "../mapping/reference-servers.js";

const texts = z.record(z.string(), z.string());

/** As clients have it: keys of theirs that mean nothing here are let be. */
const server = z.looseObject({
  type: z.string().optional(),
  command: z.string().min(1, "must not be empty").optional(),
  args: z.array(z.string()).optional(),
  env: texts.optional(),
  cwd: z.string().optional(),
  url: z.string().optional(),
  headers: texts.optional(),
  disabled: z.boolean().optional(),
});

/** The gateway as a client of the server's authorization server (RFC 6749, 4.4). */
const oauth = z.strictObject({
  issuer: z.string(),
  client_id: z.string().min(1, "must not be empty"),
  client_secret: z.string().min(1, "must not be empty"),
  scope: z.string().optional(),
});

const serverSettings = z.strictObject({
  kind: z.enum(referenceServers as [ReferenceServer, ...ReferenceServer[]]).optional(),
  pass_env: z.array(z.string()).optional(),
  oauth: oauth.optional(),
  tools: z.record(z.string(), z.strictObject({ requires: z.array(z.string()).max(7) })).optional(),
});

const settings = z.strictObject({
  pass_env: z.array(z.string()).optional(),
  servers: z.record(z.string(), serverSettings).optional(),
  limits: z
    .strictObject({
      message_bytes: z
        .number()
        .int()
        .min(1_024)
        .max(64 * 1024 * 1024)
        .optional(),
      in_flight: z.number().int().min(1).max(10_000).optional(),
    })
    .optional(),
});

/** The file as it is written: the clients' `mcpServers`, and what is the gateway's own. */
export const configSchema = z.looseObject({
  mcpServers: z.record(z.string(), server).optional(),
  servers: z.record(z.string(), server).optional(),
  synapse: settings.optional(),
});

export type ConfigText = z.infer<typeof configSchema>;
export type ServerText = z.infer<typeof server>;
export type OauthText = z.infer<typeof oauth>;
export type ServerSettingsText = z.infer<typeof serverSettings>;

/** The keys of the map at `path` that are the gateway's own, for hints about unknown ones. */
export function configKeysAt(path: readonly (string | number)[]): readonly string[] {
  if (path[0] !== "synapse") return [];
  if (path.length === 1) return Object.keys(settings.shape);
  if (path[1] === "servers" && path.length === 3) return Object.keys(serverSettings.shape);
  if (path[1] === "servers" && path[3] === "oauth") return Object.keys(oauth.shape);
  if (path[1] === "limits") return ["message_bytes", "in_flight"];
  return [];
}
