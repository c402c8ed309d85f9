/** Who may ask at the gateway's HTTP door: real tokens, forged tokens, and a provider that misbehaves. */
import { createHmac, createPrivateKey, type KeyObject, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type JWTHeaderParameters, type JWTPayload, SignJWT } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { issueToken } from "../../../src/gateway/tokens/issue-token.js";
import { tokenKey } from "../../../src/gateway/tokens/token-key.js";
import { oauthIssuer, ownIssuer, type TrustedIssuer } from "../../../src/gateway/tokens/trusted-issuer.js";
import { bearerToken, tokenVerifier } from "../../../src/gateway/tokens/verify-token.js";
import { StoreError, SynapseError, TokenError, type TokenCode } from "../../../src/model/errors.js";

const audience = "http://127.0.0.1:8808";
const start = Date.parse("2026-01-01T00:00:00Z");
const hour = 3_600_000;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "synapse-token-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const newKey = async () => tokenKey(join(folder(), "synapse.db"));
const verifierOf = (issuers: readonly TrustedIssuer[], now = start, at = audience) =>
  tokenVerifier({ audience: at, issuers, now: () => now });
const request = { agentId: "ada", audience, issuedAt: start, expiresAt: start + hour };

async function expectRefused(verified: Promise<unknown>, code: TokenCode, token = ""): Promise<void> {
  const error: unknown = await verified.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(TokenError);
  expect(error).toMatchObject({ code });
  // A log with a token in it is a log with a password in it.
  if (token.length > 20) expect((error as Error).message).not.toContain(token.slice(-20));
}

describe("a database's own tokens", () => {
  test("say who asks, until when, and by which token", async () => {
    const key = await newKey();
    const issued = await issueToken(key, request);
    expect(await verifierOf([ownIssuer(key)]).verify(issued.token)).toEqual({
      agentId: "ada",
      issuer: key.issuer,
      tokenId: issued.tokenId,
      expiresAt: start + hour,
    });
  });

  test("no two are the same", async () => {
    const key = await newKey();
    const [a, b] = [await issueToken(key, request), await issueToken(key, request)];
    expect(a.tokenId).not.toBe(b.tokenId);
    expect(a.token).not.toBe(b.token);
  });

  test("every agent id comes back as it was", async () => {
    const key = await newKey();
    const verifier = verifierOf([ownIssuer(key)]);
    const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}$/);
    await fc.assert(
      fc.asyncProperty(id, async (agentId) => {
        const { token } = await issueToken(key, { ...request, agentId });
        expect((await verifier.verify(token)).agentId).toBe(agentId);
      }),
      { numRuns: 50 },
    );
  });

  test("the key is made once, for its owner only", async () => {
    const database = join(folder(), "synapse.db");
    const first = await tokenKey(database);
    const second = await tokenKey(database);
    expect(second.id).toBe(first.id);
    expect(statSync(`${database}.token-key`).mode & 0o777).toBe(0o600);
    const { token } = await issueToken(first, request);
    expect(await verifierOf([ownIssuer(second)]).verify(token)).toMatchObject({ agentId: "ada" });
  });

  test("a key that others may read is not used, nor is one of another kind", async () => {
    const database = join(folder(), "synapse.db");
    await tokenKey(database);
    chmodSync(`${database}.token-key`, 0o644);
    await expect(tokenKey(database)).rejects.toThrow(StoreError);
    await expect(tokenKey(database)).rejects.toMatchObject({ code: "insecure_key" });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(`${database}.token-key`, privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(`${database}.token-key`, 0o600);
    await expect(tokenKey(database)).rejects.toMatchObject({ code: "invalid_key" });
  });

  test.each([
    ["no agent id", { agentId: "a b" }],
    ["no URL", { audience: "gateway" }],
    ["a fragment", { audience: "https://x.example/#a" }],
    ["expired before it is issued", { expiresAt: start }],
    ["expires at no time", { expiresAt: Number.NaN }],
    ["years", { expiresAt: start + 91 * 24 * hour }],
  ])("not issued: %s", async (_, change) => {
    const issued = issueToken(await newKey(), { ...request, ...change });
    await expect(issued).rejects.toThrow(SynapseError);
    await expect(issued).rejects.toMatchObject({ code: "invalid_token_request" });
  });
});

describe("time", () => {
  const at = async (now: number, change: Partial<typeof request> = {}) => {
    const key = await newKey();
    const { token } = await issueToken(key, { ...request, ...change });
    return verifierOf([ownIssuer(key)], now).verify(token);
  };
  test("good until it expires, and half a minute for clocks that differ", async () => {
    expect(await at(start + hour - 1)).toMatchObject({ agentId: "ada" });
    expect(await at(start + hour + 29_000)).toMatchObject({ agentId: "ada" });
    await expectRefused(at(start + hour + 30_000), "token_expired");
  });
  test("not before it was issued", async () => {
    expect(await at(start - 30_000)).toMatchObject({ agentId: "ada" });
    await expectRefused(at(start - 31_000), "token_not_yet_valid");
  });
});

describe("forged and misused", () => {
  const sign = (
    key: KeyObject | Uint8Array,
    header: JWTHeaderParameters,
    claims: JWTPayload & { [name: string]: unknown },
  ) => new SignJWT(claims).setProtectedHeader(header).sign(key);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const seconds = start / 1_000;
  const setting = async () => {
    const key = await newKey();
    const claims = { iss: key.issuer, sub: "ada", aud: audience, iat: seconds, exp: seconds + 3_600 };
    const header = { alg: "EdDSA", typ: "at+jwt", kid: key.id };
    return { key, claims, header, verify: (token: string) => verifierOf([ownIssuer(key)]).verify(token) };
  };

  test("what the attacks below start from is accepted", async () => {
    const { key, claims, header, verify } = await setting();
    expect(await verify(await sign(key.privateKey, header, claims))).toMatchObject({ agentId: "ada" });
  });

  test("unsigned (`alg: none`), with and without an empty signature", async () => {
    const { claims, verify } = await setting();
    const unsigned = `${part({ alg: "none", typ: "at+jwt" })}.${part(claims)}.`;
    await expectRefused(verify(unsigned), "token_malformed", unsigned);
    await expectRefused(verify(`${unsigned}AA`), "token_bad_signature", unsigned);
    const odd = `${part({ alg: "nOnE", typ: "at+jwt" })}.${part(claims)}.AA`;
    await expectRefused(verify(odd), "token_bad_signature", odd);
  });

  test("the public key as the secret of an HMAC", async () => {
    const { key, claims, header, verify } = await setting();
    for (const secret of [
      key.publicKey.export({ type: "spki", format: "pem" }),
      key.publicKey.export({ type: "spki", format: "der" }),
      Buffer.from(String(key.publicKey.export({ format: "jwk" }).x), "base64url"),
    ]) {
      const text = `${part({ ...header, alg: "HS256" })}.${part(claims)}`;
      const token = `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
      await expectRefused(verify(token), "token_bad_signature", token);
    }
  });

  test("another key: under our key's name, under its own, or sent along in the token", async () => {
    const { key, claims, header, verify } = await setting();
    const other = await newKey();
    const jwk = other.publicKey.export({ format: "jwk" });
    const headers: [JWTHeaderParameters, TokenCode][] = [
      [header, "token_bad_signature"],
      [{ ...header, kid: other.id }, "token_unknown_key"],
      [{ alg: "EdDSA", typ: "at+jwt" }, "token_unknown_key"],
      [{ ...header, jwk }, "token_bad_signature"],
      [{ ...header, jku: "http://127.0.0.1:1/keys" }, "token_bad_signature"],
    ];
    for (const [forged, code] of headers) {
      const token = await sign(other.privateKey, forged, claims);
      await expectRefused(verify(token), code, token);
    }
    const theirs = await issueToken(other, request);
    await expectRefused(verify(theirs.token), "token_unknown_issuer", theirs.token);
    expect(key.id).not.toBe(other.id);
  });

  test("for another server: a longer path, another port, a name, nobody", async () => {
    const { key, claims, header, verify } = await setting();
    for (const aud of [`${audience}/`, "http://127.0.0.1:8809", "HTTP://127.0.0.1:8808", "*", "", []]) {
      const token = await sign(key.privateKey, header, { ...claims, aud });
      await expectRefused(verify(token), "token_wrong_audience", token);
    }
    const token = await sign(key.privateKey, header, {
      iss: claims.iss,
      sub: "ada",
      iat: seconds,
      exp: claims.exp,
    });
    await expectRefused(verify(token), "token_wrong_audience", token);
  });

  test.each<[string, { [claim: string]: unknown }, TokenCode]>([
    ["an agent that is none", { sub: "ada lovelace" }, "token_without_agent"],
    ["an agent pattern", { sub: "*" }, "token_without_agent"],
    ["no agent", { sub: undefined }, "token_without_agent"],
    ["an agent that is a list", { sub: ["ada"] }, "token_without_agent"],
    ["no end", { exp: undefined }, "token_malformed"],
    ["an end that is a text", { exp: "never" }, "token_malformed"],
    ["no beginning", { iat: undefined }, "token_malformed"],
    ["not yet", { nbf: seconds + 60 }, "token_not_yet_valid"],
    ["expired", { exp: seconds - 31 }, "token_expired"],
    ["nobody's", { iss: undefined }, "token_unknown_issuer"],
    ["a list of issuers", { iss: ["a"] }, "token_unknown_issuer"],
  ])("signed with the right key, and wrong in itself: %s", async (_, change, code) => {
    const { key, claims, header, verify } = await setting();
    const token = await sign(key.privateKey, header, { ...claims, ...change });
    await expectRefused(verify(token), code, token);
  });

  test("another kind of token of the same key, and one with a condition that is not understood", async () => {
    const { key, claims, header, verify } = await setting();
    const kind = await sign(key.privateKey, { ...header, typ: "JWT" }, claims);
    await expectRefused(verify(kind), "token_malformed", kind);
    const text = `${part({ ...header, crit: ["x"], x: 1 })}.${part(claims)}`;
    const { sign: signBytes } = await import("node:crypto");
    const token = `${text}.${signBytes(null, Buffer.from(text), key.privateKey).toString("base64url")}`;
    await expectRefused(verify(token), "token_malformed", token);
  });

  test("no token: empty, cut, five parts, oversized, not text", async () => {
    const { key, verify } = await setting();
    const { token } = await issueToken(key, request);
    for (const odd of ["", ".", "..", "a.b", "a.b.c.d.e", `${token} `, `${token}\n`, `${token}=`, "a.b.c"])
      await expectRefused(verify(odd), "token_malformed");
    await expectRefused(verify(`a.${"b".repeat(8_192)}.c`), "token_malformed");
    await expectRefused(verify(undefined as unknown as string), "token_malformed");
  });

  test("genuine, and larger than any token has to be", async () => {
    const { key, claims, header, verify } = await setting();
    const withNote = (note: string) => sign(key.privateKey, header, { ...claims, note });
    expect(await verify(await withNote("x".repeat(5_000)))).toMatchObject({ agentId: "ada" });
    await expectRefused(verify(await withNote("x".repeat(6_200))), "token_malformed");
  });

  test("cut or changed anywhere: refused", async () => {
    const { key, verify } = await setting();
    const { token } = await issueToken(key, request);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const place = fc.nat({ max: token.length - 1 });
    await fc.assert(
      fc.asyncProperty(place, fc.constantFrom("", ...alphabet), async (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        fc.pre(changed !== token && !samePadding(token, changed));
        await expect(verify(changed)).rejects.toBeInstanceOf(TokenError);
        await expect(verify(token.slice(0, at))).rejects.toBeInstanceOf(TokenError);
      }),
      { numRuns: 150 },
    );
  });
});

/** The last character of a base64url text has bits that mean nothing; a decoder may ignore them. */
function samePadding(a: string, b: string): boolean {
  const bytes = (text: string) =>
    text.split(".").map((part) => Buffer.from(part, "base64url").toString("hex"));
  const [x, y] = [bytes(a), bytes(b)];
  return x.length === y.length && x.every((hex, index) => hex === y[index]);
}

describe("the Authorization header", () => {
  test.each([
    ["Bearer abc", "abc"],
    ["bearer  abc ", "abc"],
  ])("%s", (header, token) => expect(bearerToken(header)).toBe(token));

  test.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Basic abc",
    "Bearer a b",
    "abc",
    "Bearer a, Bearer b",
    "xBearer a",
  ])("refused: %s", (header) => {
    expect(() => bearerToken(header)).toThrow(TokenError);
    expect(() => bearerToken(header)).toThrow(expect.objectContaining({ code: "token_missing" }));
  });
});

describe("an OAuth provider", () => {
  const provider = "https://login.example/";
  const seconds = start / 1_000;
  const claims = {
    iss: provider,
    sub: "ada",
    aud: ["https://other.example/", audience],
    iat: seconds,
    exp: seconds + 60,
  };
  const keysOf = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    EdDSA: generateKeyPairSync("ed25519"),
  };
  const set = {
    keys: Object.entries(keysOf).map(([alg, { publicKey }]) => ({
      ...publicKey.export({ format: "jwk" }),
      kid: `key-${alg}`,
      alg,
      use: "sig",
    })),
  };
  const sign = (alg: keyof typeof keysOf, header: object = {}, more: object = {}) =>
    new SignJWT({ ...claims, ...more })
      .setProtectedHeader({ alg, kid: `key-${alg}`, ...header })
      .sign(keysOf[alg].privateKey);

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void (server.closeAllConnections(), server.close()));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  }

  async function provided(
    listener: RequestListener = (_, response) => void response.end(JSON.stringify(set)),
    more: { agentClaim?: string } = {},
  ) {
    const asked: string[] = [];
    const jwks = await serve((request, response) => {
      asked.push(request.url ?? "");
      listener(request, response);
    });
    return { asked, verifier: verifierOf([oauthIssuer({ issuer: provider, jwks, ...more })]) };
  }

  test.each(["RS256", "ES256", "EdDSA"] as const)("%s", async (alg) => {
    const { verifier } = await provided();
    const token = await sign(alg);
    expect(await verifier.verify(token)).toEqual({
      agentId: "ada",
      issuer: provider,
      tokenId: undefined,
      expiresAt: start + 60_000,
    });
  });

  test("its keys are fetched once, and made-up key names do not make us ask again", async () => {
    const { verifier, asked } = await provided();
    const token = await sign("ES256");
    for (let i = 0; i < 5; i++) await verifier.verify(token);
    for (let i = 0; i < 5; i++)
      await expectRefused(verifier.verify(await sign("ES256", { kid: `made-up-${i}` })), "token_unknown_key");
    expect(asked).toEqual(["/keys"]);
  });

  test("another claim may name the agent", async () => {
    const { verifier } = await provided(undefined, { agentClaim: "client_id" });
    expect(await verifier.verify(await sign("RS256", {}, { client_id: "bob" }))).toMatchObject({
      agentId: "bob",
    });
    await expectRefused(verifier.verify(await sign("RS256")), "token_without_agent");
  });

  test("a token that does not name its key, or names one of another algorithm", async () => {
    const { verifier } = await provided();
    await expectRefused(verifier.verify(await sign("RS256", { kid: undefined })), "token_unknown_key");
    await expectRefused(verifier.verify(await sign("RS256", { kid: "key-ES256" })), "token_unknown_key");
  });

  test("algorithms that are not on the list, with a genuine key", async () => {
    const { verifier } = await provided();
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: "RS512", kid: "key-RS256" })
      .sign(keysOf.RS256.privateKey);
    await expectRefused(verifier.verify(token), "token_bad_signature");
    const pem = keysOf.RS256.publicKey.export({ type: "spki", format: "pem" });
    const hmac = await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "key-RS256" })
      .sign(Buffer.from(pem));
    await expectRefused(verifier.verify(hmac), "token_bad_signature");
  });

  test("a provider's token is no token of ours, nor the other way round", async () => {
    const own = await newKey();
    const jwks = await serve((_, response) => void response.end(JSON.stringify(set)));
    const verifier = verifierOf([ownIssuer(own), oauthIssuer({ issuer: provider, jwks })]);
    expect(await verifier.verify((await issueToken(own, request)).token)).toMatchObject({
      issuer: own.issuer,
    });
    expect(await verifier.verify(await sign("ES256"))).toMatchObject({ issuer: provider });
    const posing = await sign("EdDSA", { kid: own.id, typ: "at+jwt" }, { iss: own.issuer, aud: audience });
    await expectRefused(verifier.verify(posing), "token_bad_signature", posing);
    const ours = await new SignJWT(claims)
      .setProtectedHeader({ alg: "EdDSA", kid: "key-EdDSA" })
      .sign(own.privateKey);
    await expectRefused(verifier.verify(ours), "token_bad_signature", ours);
  });

  test.each<[string, RequestListener]>([
    ["an error", (_, response) => void response.writeHead(500).end(JSON.stringify(set))],
    ["no JSON", (_, response) => void response.end("<html>")],
    ["something else", (_, response) => void response.end('{"keys": 7}')],
    ["too much", (_, response) => void response.end(JSON.stringify({ ...set, filler: "x".repeat(300_000) }))],
    ["elsewhere", (_, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()],
    ["nothing", (request) => void request.socket.destroy()],
  ])("its keys cannot be had (%s): refused", async (_, listener) => {
    const { verifier } = await provided(listener);
    await expectRefused(verifier.verify(await sign("ES256")), "token_keys_unavailable");
  });

  test.each([
    ["keys in the clear from elsewhere", { issuer: provider, jwks: "http://login.example/keys" }],
    ["keys from a file", { issuer: provider, jwks: "file:///keys" }],
    ["keys that are no URL", { issuer: provider, jwks: "keys" }],
    ["an issuer that is no URL", { issuer: "login", jwks: "https://login.example/keys" }],
  ])("not trusted in the first place: %s", (_, options) => {
    expect(() => oauthIssuer(options)).toThrow(SynapseError);
    expect(() => oauthIssuer(options)).toThrow(expect.objectContaining({ code: "invalid_issuer" }));
  });
});

test("the key file is a PKCS #8 key of OpenSSL's form", async () => {
  const database = join(folder(), "synapse.db");
  await tokenKey(database);
  expect(createPrivateKey(readFileSync(`${database}.token-key`)).asymmetricKeyType).toBe("ed25519");
});
