import { setTimeout as pause } from "node:timers/promises";
import type { StreamEvent } from "./event-stream.js";
import { reasonOf } from "./http-answer.js";

export const retryMsDefault = 1_000;
/** Attempts that bring nothing, one after the other, before a stream is given up. */
export const attemptsInVainMax = 5;

/** One answer that comes as a stream. */
export interface AnswerStream {
  /** The events of one response, in their order. @throws what cuts it short; RangeError when it is too large. */
  read(response: Response): AsyncIterable<StreamEvent>;
  /** Takes an event. @returns whether it is the answer. */
  take(event: StreamEvent): boolean;
  /** Asks for what came after an event. @returns why the server does not give it. @throws when it is not reached. */
  again(lastEventId: string): Promise<Response | { readonly refused: string }>;
  /** The server itself has ended the stream, and is asked again after that time. */
  paused(ms: number): void;
}

/**
 * Reads a stream to its answer. One that is cut, or that the server ends early, is taken up behind its last event
 * (MCP 2025-11-25, resumability); the request itself is never sent again, for it may have been carried out.
 *
 * @param signal nobody waits for it any more.
 * @returns why no answer will come; undefined: it came.
 * @throws RangeError for an event that is too large; the signal's reason.
 */
export async function readToAnswer(
  first: Response,
  answer: AnswerStream,
  signal: AbortSignal,
): Promise<string | undefined> {
  let stream: Response | undefined = first;
  let last: StreamEvent | undefined;
  let answered = false;
  let cut: string | undefined;
  let waitMs = retryMsDefault;
  for (let inVain = 0; ; inVain++) {
    const wasThere: boolean = stream !== undefined;
    try {
      if (stream !== undefined) {
        for await (const event of answer.read(stream)) {
          last = event;
          waitMs = event.retryMs ?? waitMs;
          inVain = 0;
          answered = answer.take(event) || answered;
        }
        cut = undefined;
      }
    } catch (error) {
      if (error instanceof RangeError || (signal.aborted && !answered)) throw error;
      cut = reasonOf(error);
    }
    if (answered) return undefined;
    signal.throwIfAborted();
    const how = cut === undefined ? "its stream ended before the answer" : `its stream was cut: ${cut}`;
    if (last?.lastId === undefined) return `${how}, and cannot be taken up again`;
    if (inVain >= attemptsInVainMax) return `${how}, and taking it up again brought nothing`;
    if (wasThere && cut === undefined) answer.paused(waitMs);
    await pause(waitMs, undefined, { signal });
    try {
      const next = await answer.again(last.lastId);
      if ("refused" in next) return `${how}, and it does not go on with it: ${next.refused}`;
      stream = next;
    } catch (error) {
      stream = undefined;
      cut = reasonOf(error);
    }
  }
}
