import type { CliIo } from "./io.js";

/** Who acts when nobody is named: the user's name as the environment claims it (SEMANTICS A6). */
export function operatorName(env: CliIo["env"]): string {
  const name = [env["USER"], env["LOGNAME"], env["USERNAME"]].find(
    (claimed) => claimed !== undefined && claimed !== "",
  );
  return name !== undefined && name.length <= 256 && name.isWellFormed() ? name : "unknown";
}
