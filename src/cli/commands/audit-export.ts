import { resolve } from "node:path";
import { exportLog } from "../../audit/export-log.js";
import type { Execute } from "../command.js";
import type { CommonOptions } from "../context.js";
import { withCoveredImage } from "../covered-image.js";
import { exitCode } from "../exit-code.js";
import { printable } from "../printable.js";
import { progressBar } from "../progress.js";

/** `synapse audit export`: the log as files that anybody can verify. */
export const execute: Execute<CommonOptions> = async (context, [folder = ""]) => {
  const bar = progressBar(context.err, "exporting");
  const { size, files } = await withCoveredImage(
    context,
    undefined,
    (image) => image.eventCount(),
    ({ image, keys, vkey, checkpoint }) => {
      try {
        const target = { folder: resolve(context.cwd, folder), note: checkpoint.note, vkey };
        return exportLog(image, keys, target, bar.report);
      } finally {
        bar.end();
      }
    },
  );
  if (context.json) context.document({ folder: resolve(context.cwd, folder), size, files });
  else context.out.line(`exported ${size} events to ${printable(folder)}: ${files} files written`);
  return exitCode.done;
};
