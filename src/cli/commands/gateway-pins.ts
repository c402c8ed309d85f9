import { ledgerOf } from "../../core/audit.js";
import type { Pin, Withheld } from "../../gateway/pins/pin-book.js";
import { PinLog } from "../../gateway/pins/pin-log.js";
import type { JsonValue } from "../../model/json.js";
import type { Execute } from "../command.js";
import { type CommonOptions, withPipeline } from "../context.js";
import { exitCode } from "../exit-code.js";
import { printList } from "../list.js";
import { jsonLine } from "../printable.js";

/** `synapse gateway pins` */
export const execute: Execute<
  CommonOptions & { readonly all?: boolean; readonly definitions?: boolean }
> = async (context, _operands, { all, definitions }) =>
  withPipeline(context, { create: false }, async (pipeline) => {
    const log = await PinLog.open(pipeline.audit);
    const { driver } = ledgerOf(pipeline.audit);
    const read = ({ seq, definition }: Withheld): JsonValue => {
      const blob = driver.blob({ seq, ref: definition });
      return blob === undefined ? null : (JSON.parse(Buffer.from(blob.bytes).toString("utf8")) as JsonValue);
    };
    const pins = [...log.pins()].filter((pin) => all === true || context.json || pin.withheld !== undefined);
    printList(context, pins, {
      none: "no tool waits to be accepted; --all lists those that are pinned",
      document: (pin) => ({
        server: pin.server,
        tool: pin.tool,
        pinned: pin.pinned ?? null,
        withheld:
          pin.withheld === undefined
            ? null
            : {
                ...pin.withheld,
                ...(definitions === true ? { definition: read(pin.withheld) } : {}),
              },
      }),
      headings: ["STATUS", "SERVER", "TOOL", "WHY"],
      row: (pin) => [statusOf(pin), pin.server, pin.tool, whyOf(pin)],
    });
    if (definitions === true && !context.json) {
      for (const { server, tool, withheld } of pins) {
        if (withheld !== undefined)
          context.out.lines(["", `${jsonLine(server)} ${jsonLine(tool)}`, jsonLine(read(withheld))]);
      }
    }
    log.close();
    return exitCode.done;
  });

function statusOf({ pinned, withheld }: Pin): string {
  if (withheld === undefined) return "pinned";
  return pinned === undefined ? "withheld" : "changed";
}

function whyOf({ withheld }: Pin): string {
  return withheld === undefined ? "-" : `${withheld.reason}: ${withheld.detail}`;
}
