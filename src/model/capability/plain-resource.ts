import { SAFE_METHODS } from "./net-resource.js";
import type { PlainText } from "./plain-text.js";
import type { Resource } from "./resource.js";
import { GAP, type Segment, toGlob } from "./segment.js";
import { isEverything, toSequence } from "./sequence.js";

/** The resource of a plain text (`readPlainText`), as the whole grammar would have read it. */
export function readPlainResource(
  text: string,
  { domainEnd, actionEnd, bodyStart }: Pick<PlainText, "domainEnd" | "actionEnd" | "bodyStart">,
): Resource {
  const domain = text.slice(0, domainEnd);
  if (domain === "net") return readPlainNet(text, actionEnd + 1, bodyStart);
  const rooted = text[bodyStart] === "/";
  const tokens = text
    .slice(rooted ? bodyStart + 1 : bodyStart)
    .split("/")
    .map(toSegment);
  const sequence = toSequence(tokens);
  const everything = isEverything(sequence);
  return Object.freeze({ kind: "segments", rooted, sequence, everything });
}

function readPlainNet(text: string, start: number, bodyStart: number): Resource {
  const slash = text.indexOf("/", bodyStart);
  const hostText = text.slice(bodyStart, slash);
  const pathText = text.slice(slash);
  const tokens = pathText.slice(1).split("/").map(toSegment);
  const labels = toSequence(hostText.split(".").reverse());
  return Object.freeze({
    kind: "net",
    method: bodyStart === start ? SAFE_METHODS : text.slice(start, bodyStart - 1),
    scheme: "https",
    port: 443,
    host: Object.freeze({ kind: "labels", labels, text: hostText }),
    path: Object.freeze({
      segments: toSequence(tokens),
      trailingSlash: tokens[tokens.length - 1] === GAP ? "either" : "no",
      text: pathText,
    }),
  });
}

function toSegment(text: string): Segment {
  if (text === "**") return GAP;
  return text.includes("*") ? toGlob(text.split("*")) : text;
}
