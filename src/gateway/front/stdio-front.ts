import type { Readable, Writable } from "node:stream";
import { LineReader, type MessageLimits } from "../protocol/line-reader.js";
import { LineWriter } from "../protocol/line-writer.js";
import type { Front, FrontEvents } from "./front.js";

/** A client that started the gateway and talks to its standard streams (MCP, stdio transport). */
export function stdioFront(input: Readable, output: Writable, limits: MessageLimits): Front {
  let events: FrontEvents | undefined;
  let ended = false;
  const end = (why: string): void => {
    if (ended) return;
    ended = true;
    events?.ended(why);
  };
  const writer = new LineWriter(output, {
    onDrain: () => events?.drained(),
    onGone: () => end("the client does not read any more"),
  });
  const reader = new LineReader(limits, (line) => {
    if (line.kind === "value") events?.message(line.value);
    else events?.unreadable(line.why);
  });
  return {
    name: "stdio",
    start(handlers) {
      events = handlers;
      input.on("data", (chunk: Buffer) => {
        if (ended || reader.push(chunk)) return;
        input.pause();
        end(`a message is larger than ${limits.bytesMax} bytes`);
      });
      // A gateway that outlives its client would keep its servers running for nobody.
      input.on("end", () => end("the client closed the connection"));
      input.on("close", () => end("the client closed the connection"));
      input.on("error", (error) => end(`the client's messages cannot be read: ${error.message}`));
    },
    send: (message) => writer.write(message),
    pause: () => void input.pause(),
    resume: () => void input.resume(),
    close() {
      ended = true;
      input.pause();
      input.destroy();
    },
  };
}
