import type { Output } from "./output.js";

const width = 30;

/**
 * A bar on standard error while something long is going on; on a terminal alone, so that logs and pipes get none.
 *
 * @returns to be told how much of how much is done; the bar goes away with `end`.
 */
export function progressBar(err: Output, what: string) {
  const shown = err.stream.isTTY === true;
  let last = -1;
  return {
    report: (done: number, of: number): void => {
      if (!shown || of === 0) return;
      const percent = Math.floor((done / of) * 100);
      if (percent === last) return;
      last = percent;
      const full = Math.min(width, Math.floor((done / of) * width));
      err.write(`\r${what} [${"#".repeat(full)}${" ".repeat(width - full)}] ${percent}%`);
    },
    end: (): void => {
      // Erases the line: what is said next stands alone.
      if (last >= 0) err.write("\r\u001b[2K");
    },
  };
}
