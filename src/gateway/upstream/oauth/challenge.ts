import { boundedText } from "../../../model/bounded-text.js";

/** What a server that answers 401 asks for (RFC 6750, 3; RFC 9728, 5.1). */
export interface Challenge {
  readonly scope: string | undefined;
  /** Where the server says that it says more; its own word, and not to be followed as it stands. */
  readonly resourceMetadata: string | undefined;
}

const headerCharactersMax = 4_096;

/** @param header `WWW-Authenticate`; anything may stand in it. */
export function readChallenge(header: string | null): Challenge {
  const text = (header ?? "").slice(0, headerCharactersMax);
  const parameter = (name: string): string | undefined =>
    new RegExp(`(?:^|[\\s,])${name}="([^"]*)"`, "i").exec(text)?.[1];
  return { scope: parameter("scope"), resourceMetadata: parameter("resource_metadata") };
}

/** For the operator: what has to be done about it. */
export function challengeText({ scope, resourceMetadata }: Challenge): string {
  const wanted = scope === undefined || scope === "" ? "" : ` with the scope \`${boundedText(scope, 200)}\``;
  const more =
    resourceMetadata === undefined
      ? ""
      : `; it says who gives them at \`${boundedText(resourceMetadata, 300)}\``;
  return (
    `it answered with status 401: it asks for a token${wanted}${more}. ` +
    "Give it one in `headers`, or a client of its authorization server in `synapse.servers.<name>.oauth`"
  );
}
