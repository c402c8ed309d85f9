/** One event of a stream (WHATWG HTML, server-sent events). */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
  /** What to name when the stream is taken up again; undefined: nothing was ever named. */
  readonly lastId: string | undefined;
  /** How long to wait before that, ms, when the server said so. */
  readonly retryMs: number | undefined;
}

const retryMsMax = 60_000;

/**
 * Reads a stream of server-sent events. Bytes of one event are bounded; the parts of a line are joined once.
 *
 * @throws RangeError for an event that is larger than `bytesMax`.
 */
export async function* readEventStream(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder("utf-8", { fatal: false });
  let rest: string[] = [];
  let restLength = 0;
  let data: string[] = [];
  let dataLength = 0;
  let type = "";
  let lastId: string | undefined;
  let retryMs: number | undefined;
  let afterReturn = false;
  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    // `\r\n` may be cut between its two characters.
    if (afterReturn && text.startsWith("\n")) text = text.slice(1);
    afterReturn = text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    const unfinished = lines.pop() ?? "";
    for (const [index, part] of lines.entries()) {
      const line = index === 0 && rest.length > 0 ? rest.join("") + part : part;
      if (index === 0) {
        rest = [];
        restLength = 0;
      }
      if (line === "") {
        const text = data.join("\n");
        if (text !== "") yield { type: type === "" ? "message" : type, data: text, lastId, retryMs };
        // An event without data, or with an empty line of it, still says from where to go on.
        else if (lastId !== undefined) yield { type: "position", data: "", lastId, retryMs };
        data = [];
        dataLength = 0;
        type = "";
        continue;
      }
      const { field, value } = fieldOf(line);
      if (field === "data") {
        data.push(value);
        dataLength += value.length;
      } else if (field === "event") type = value;
      else if (field === "id" && !value.includes("\0")) lastId = value;
      else if (field === "retry" && /^\d{1,9}$/.test(value)) retryMs = Math.min(Number(value), retryMsMax);
      assertSize(dataLength, bytesMax);
    }
    if (unfinished !== "") {
      rest.push(unfinished);
      restLength += unfinished.length;
      assertSize(restLength + dataLength, bytesMax);
    }
  }
}

function fieldOf(line: string): { readonly field: string; readonly value: string } {
  const colon = line.indexOf(":");
  if (colon === -1) return { field: line, value: "" };
  const value = line.slice(colon + 1);
  return { field: line.slice(0, colon), value: value.startsWith(" ") ? value.slice(1) : value };
}

function assertSize(size: number, most: number): void {
  if (size > most) throw new RangeError(`an event of more than ${most} bytes`);
}
