import { type Capability, capability, covers } from "../../model/capability/index.js";
import { CapabilitySyntaxError } from "../../model/errors.js";
import { resourcesOf } from "./resource-template.js";

const urisMax = 50_000;
const templatesMax = 1_000;

/** Which of several servers a resource's address belongs to: the first that listed it. */
export class ResourceOwners {
  readonly #uris = new Map<string, string>();
  readonly #templates = new Map<string, { readonly resources: Capability; readonly server: string }>();

  /** Whether it is this server's. */
  claim(uri: string, server: string): boolean {
    const owner = this.#uris.get(uri);
    if (owner !== undefined) return owner === server;
    if (this.#uris.size < urisMax) this.#uris.set(uri, server);
    return true;
  }

  claimTemplate(template: string, server: string): void {
    if (this.#templates.has(template) || this.#templates.size >= templatesMax) return;
    const resources = unlessUnnameable(() => resourcesOf(server, template));
    if (resources !== undefined) this.#templates.set(template, { resources, server });
  }

  /** The server of a resource; undefined: none has listed it, or a template of it. */
  of(uri: string): string | undefined {
    const listed = this.#uris.get(uri);
    if (listed !== undefined) return listed;
    for (const { resources, server } of this.#templates.values()) {
      const asked = unlessUnnameable(() => capability("mcp", "read", server, uri));
      if (asked !== undefined && covers(resources, asked)) return server;
    }
    return undefined;
  }
}

function unlessUnnameable<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof CapabilitySyntaxError) return undefined;
    throw error;
  }
}
