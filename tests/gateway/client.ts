import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { JsonObject } from "../../src/model/json.js";

export type Message = JsonObject & { readonly id?: string | number | null; readonly method?: string };

/** A client at the level of messages: it sends what it is told to, well-formed or not, and keeps what comes back. */
export class Client {
  readonly received: Message[] = [];
  readonly #input: Writable;
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly ended: Promise<void>;
  #rest = "";
  #last = 0;
  /** What it answers to requests of the other side; undefined: nothing. */
  answers: (request: Message) => JsonObject | undefined = () => undefined;

  constructor(input: Writable, output: Readable) {
    this.#input = input;
    input.on("error", () => undefined);
    output.on("data", (chunk: Buffer) => this.#take(chunk.toString("utf8")));
    this.ended = new Promise((resolve) => output.on("close", () => resolve()));
  }

  raw(text: string): void {
    this.#input.write(text);
  }

  send(message: JsonObject): void {
    this.raw(`${JSON.stringify(message)}\n`);
  }

  notify(method: string, params?: JsonObject): void {
    this.send({ jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) });
  }

  /** Sends a request and waits for what answers it. */
  request(method: string, params?: JsonObject, id: string | number = ++this.#last): Promise<Message> {
    const answer = this.answerTo(id);
    this.send({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });
    return answer;
  }

  answerTo(id: string | number | null): Promise<Message> {
    return this.next((message) => message.id === id && message.method === undefined);
  }

  /** The next message that fits; those that came before do not count. */
  next(fits: (message: Message) => boolean): Promise<Message> {
    return new Promise((resolve) => {
      const listen = (message: Message): void => {
        if (!fits(message)) return;
        this.#events.off("message", listen);
        resolve(message);
      };
      this.#events.on("message", listen);
    });
  }

  async initialize(capabilities: JsonObject = {}, protocolVersion = "2025-11-25"): Promise<Message> {
    const clientInfo = { name: "test", version: "1" };
    const answer = await this.request("initialize", { protocolVersion, capabilities, clientInfo });
    this.notify("notifications/initialized");
    return answer;
  }

  call(name: string, args: JsonObject = {}, more: JsonObject = {}): Promise<Message> {
    return this.request("tools/call", { name, arguments: args, ...more });
  }

  close(): void {
    this.#input.end();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      this.received.push(message);
      if (message.method !== undefined && message.id !== undefined) {
        const answer = this.answers(message);
        if (answer !== undefined) this.send({ jsonrpc: "2.0", id: message.id, ...answer });
      }
      this.#events.emit("message", message);
    }
  }
}

/** A server that is talked to without a gateway, to compare with. */
export function directClient(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): { client: Client; end(): void } {
  const child = spawn(command, [...args], { env, stdio: ["pipe", "pipe", "ignore"] });
  return { client: new Client(child.stdin, child.stdout), end: () => void child.kill() };
}

/** The text of a result's first content, of a tool's result or an error. */
export function textOf({ result, error }: Message): string {
  const content = (result as { content?: { text?: string }[] } | undefined)?.content?.[0]?.text;
  return content ?? (error as { message?: string } | undefined)?.message ?? "";
}

export function isToolError({ result }: Message): boolean {
  return (result as { isError?: boolean } | undefined)?.isError === true;
}
