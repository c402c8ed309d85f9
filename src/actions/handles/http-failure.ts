import { EffectFailedError } from "../../model/errors.js";

const tlsCode =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO$)/;

/**
 * What a failed exchange is called. The text names a code and the host as it was asked for, no addresses,
 * ports or times: equal worlds must give equal results.
 */
export function exchangeFailure(error: unknown, host: string, connected: boolean): EffectFailedError {
  const code = codeOf(error);
  if (tlsCode.test(code)) {
    return failure("tls_failed", `cannot trust or agree on a connection to \`${host}\` (${code})`, error);
  }
  switch (code) {
    case "UND_ERR_CONNECT_TIMEOUT":
    case "ETIMEDOUT":
      return failure("timeout", `no connection to \`${host}\` in time`, error);
    case "UND_ERR_HEADERS_OVERFLOW":
    case "HPE_HEADER_OVERFLOW":
      return failure("too_large", `the headers of \`${host}\` are too large`, error);
    default:
      return connected
        ? failure("bad_response", `\`${host}\` did not answer with complete, valid HTTP`, error)
        : failure("connect_failed", `cannot connect to \`${host}\` (${code})`, error);
  }
}

function failure(code: string, message: string, cause: unknown): EffectFailedError {
  return new EffectFailedError(code, message, { cause });
}

/** With several addresses tried, the last one's code. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors.at(-1));
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "unknown";
}
