/*
 * A remote server's address and headers, as variables of the gateway's environment. They are often secrets, and
 * every process of the machine can read another's arguments; its environment only the same user can. The client
 * fills in its placeholders (`${TOKEN}`) in `env` as it did in `url` and `headers`.
 */

export const urlVariable = "SYNAPSE_MCP_URL";

/** One variable a header, numbered from 1: names of headers are not all good names of variables. */
export const headerVariablePrefix = "SYNAPSE_MCP_HEADER_";

/** Between a header's name and its value. */
export const headerSeparator = ": ";

export function headerVariable(number: number): string {
  return `${headerVariablePrefix}${number}`;
}

/** RFC 9110, 5.1: a header's name is a token. */
export function isHeaderName(name: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name);
}
