const charactersPerSecond = 16 * 1024;
const lineCharactersMax = 2_000;

/**
 * What a server writes on standard error, as lines for the operator. A flood is cut: so much a second, the rest is
 * counted, since a server that prints without end must not fill the operator's disk.
 */
export function stderrLog(log: (line: string) => void, now = () => performance.now()) {
  let rest = "";
  let second = Math.floor(now() / 1_000);
  let left = charactersPerSecond;
  let dropped = 0;
  const tell = (line: string): void => {
    const current = Math.floor(now() / 1_000);
    if (current !== second) {
      if (dropped > 0) log(`(${dropped} characters of its output were dropped)`);
      second = current;
      left = charactersPerSecond;
      dropped = 0;
    }
    if (line.length > left) dropped += line.length;
    else log(line);
    left = Math.max(0, left - line.length);
  };
  return {
    push(chunk: Buffer): void {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = (lines.pop() ?? "").slice(0, lineCharactersMax);
      for (const line of lines) if (line.trim() !== "") tell(line.slice(0, lineCharactersMax));
    },
    end(): void {
      if (rest.trim() !== "") tell(rest);
      rest = "";
    },
  };
}
