import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type JWK, type JWTPayload, SignJWT } from "jose";

export interface TokenRequest {
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

/** An authorization server of the tests' own, on a real port: metadata, keys and tokens. */
export interface AuthorizationServer {
  readonly issuer: string;
  /** Paths that were asked for, in their order. */
  readonly paths: readonly string[];
  readonly tokenRequests: readonly TokenRequest[];
  /** Of its metadata, beside or in place of what it has. */
  metadata: Record<string, unknown>;
  /** Answers the token endpoint. Default: a token of its own each time. */
  grant: (request: TokenRequest) => { readonly status: number; readonly body: object };
  /** Replaces its key. */
  rotate(): Promise<void>;
  /** A signed token. */
  sign(claims: JWTPayload): Promise<string>;
  close(): void;
}

export async function openAuthorizationServer(): Promise<AuthorizationServer> {
  const paths: string[] = [];
  const tokenRequests: TokenRequest[] = [];
  let count = 0;
  let key = await newKey(++count);
  let issued = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    paths.push(path);
    const answer = (status: number, body: object): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (path === "/.well-known/oauth-authorization-server") return answer(200, own.metadata);
    if (path === "/jwks") return answer(200, { keys: [key.jwk] });
    if (path !== "/token") return answer(404, {});
    void bodyOf(request).then((body) => {
      const asked = {
        authorization: request.headers.authorization,
        form: new URLSearchParams(body),
      };
      tokenRequests.push(asked);
      const { status, body: granted } = own.grant(asked);
      answer(status, granted);
    });
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const own: AuthorizationServer = {
    issuer,
    paths,
    tokenRequests,
    metadata: {
      issuer,
      token_endpoint: `${issuer}/token`,
      authorization_endpoint: `${issuer}/authorize`,
      registration_endpoint: `${issuer}/register`,
      jwks_uri: `${issuer}/jwks`,
    },
    grant: () => ({
      status: 200,
      body: { access_token: `upstream-token-${++issued}`, token_type: "Bearer", expires_in: 3_600 },
    }),
    rotate: async () => void (key = await newKey(++count)),
    sign: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: key.jwk.kid ?? "" }).sign(key.privateKey),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return own;
}

async function newKey(n: number): Promise<{ jwk: JWK; privateKey: KeyObject }> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { jwk: { ...(await exportJWK(publicKey)), kid: `k${n}`, alg: "ES256", use: "sig" }, privateKey };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  return body;
}
