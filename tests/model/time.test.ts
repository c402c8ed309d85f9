import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { SynapseError } from "../../src/model/errors.js";
import { formatInstant, instantMs, parseDuration, parseExpiry, parseInstant } from "../../src/model/time.js";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SynapseError);
    return (error as SynapseError).code;
  }
  throw new Error("nothing was thrown");
}

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["45s", 45_000],
    ["15m", 900_000],
    ["12h", 43_200_000],
    ["30d", 2_592_000_000],
    ["2w", 1_209_600_000],
    ["1h30m", 5_400_000],
    ["1w2d3h4m5s6ms", 604_800_000 + 172_800_000 + 10_800_000 + 240_000 + 5_000 + 6],
    ["0s", 0],
  ])("`%s` is %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    "5",
    "m",
    "-5m",
    "+5m",
    "1.5h",
    " 5m",
    "5m ",
    "5 m",
    "5M",
    "05m",
    "5min",
    "1m1h",
    "1h1h",
    "1e3s",
    "٥m",
    "1h30",
    "9999999999999999w",
    "5m\n",
    "PT5M",
  ])("`%s` is refused as invalid_duration", (text) => {
    expect(codeOf(() => parseDuration(text))).toBe("invalid_duration");
  });

  it("a very long text is refused without being read", () => {
    expect(codeOf(() => parseDuration("1".repeat(1_000_000)))).toBe("invalid_duration");
  });
});

describe("instants", () => {
  it.each([
    ["2026-11-22T09:30:00Z", "2026-11-22T09:30:00.000Z"],
    ["2026-11-22t09:30:00z", "2026-11-22T09:30:00.000Z"],
    ["2026-11-22T09:30:00.1239Z", "2026-11-22T09:30:00.123Z"],
    ["2026-11-22T09:30:00+02:00", "2026-11-22T07:30:00.000Z"],
    ["2026-11-22T09:30:00.5-05:30", "2026-11-22T15:00:00.500Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"],
    ["0050-01-01T00:00:00Z", "0050-01-01T00:00:00.000Z"],
  ])("`%s` is %s", (text, canonical) => {
    expect(formatInstant(parseInstant(text))).toBe(canonical);
  });

  it.each([
    "2026-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-01T00:00:00",
    "2026-01-01",
    "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00+01:60",
    "2026-01-01T00:00:00 Z",
    "2026-1-1T00:00:00Z",
    "2026-01-01T00:00:00.Z",
    "now",
    "",
    "0000-01-01T00:00:00+01:00",
    "January 1, 2026 00:00:00 UTC",
    "2026-01-01T00:00:00Z\n",
  ])("`%s` is refused as invalid_time", (text) => {
    expect(codeOf(() => parseInstant(text))).toBe("invalid_time");
  });

  it("what is formatted reads back as the same instant", () => {
    const range = { min: Date.parse("0000-01-01T00:00:00Z"), max: Date.parse("9999-12-31T23:59:59.999Z") };
    fc.assert(fc.property(fc.integer(range), (ms) => parseInstant(formatInstant(ms)) === ms));
  });

  it("only whole milliseconds inside the calendar can be formatted", () => {
    expect(() => formatInstant(Number.NaN)).toThrow(TypeError);
    expect(() => formatInstant(0.5)).toThrow(TypeError);
    expect(() => formatInstant(1e16)).toThrow(TypeError);
  });
});

describe("expiry", () => {
  const created = Date.parse("2026-01-01T00:00:00Z");

  it("a duration counts from creation, a date stands for itself", () => {
    expect(parseExpiry("1h30m", created)).toBe(created + 5_400_000);
    expect(parseExpiry("2026-06-01T00:00:00Z", created)).toBe(Date.parse("2026-06-01T00:00:00Z"));
  });

  it("what is neither, or leaves the calendar, is refused", () => {
    expect(codeOf(() => parseExpiry("tomorrow", created))).toBe("invalid_time");
    expect(codeOf(() => parseExpiry("9999999w", created))).toBe("invalid_time");
    expect(codeOf(() => parseExpiry("5x", created))).toBe("invalid_duration");
  });
});

describe("instants of the log are read as Date.parse reads them", () => {
  it("every one that formatInstant writes, from 1970 to 9999, at the ends of months too", () => {
    const day = 86_400_000;
    const first = Date.parse("1970-01-01T00:00:00.000Z");
    const last = Date.parse("9999-12-31T23:59:59.999Z");
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), (ms) => {
        expect(instantMs(formatInstant(ms))).toBe(ms);
      }),
      { numRuns: 20_000 },
    );
    for (let ms = first; ms < Date.parse("2101-01-01T00:00:00Z"); ms += day) {
      if (instantMs(formatInstant(ms)) !== ms) expect(formatInstant(ms)).toBe("read rightly");
    }
  });

  it.each([
    "1969-12-31T23:59:59.999Z",
    "2024-02-29T00:00:00.000Z",
    "2026-02-29T00:00:00.000Z",
    "2026-04-31T00:00:00.000Z",
    "2026-13-01T00:00:00.000Z",
    "2026-00-10T00:00:00.000Z",
    "2026-01-01T24:00:00.000Z",
    "2026-01-01T23:60:00.000Z",
    "2026-01-01T00:00:00.00xZ",
    "2026-01-01T00:00:00.000z",
    "2026-01-01 00:00:00.000Z",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000+01:00",
    "",
    "soon",
  ])("%j, however odd", (text) => {
    expect(instantMs(text)).toBe(Date.parse(text));
  });
});
