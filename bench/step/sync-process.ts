/** Takes so many guarded steps, one after the other, and ends: for who counts its system calls from outside. */
import { guardedSteps } from "./guarded.js";

const [folder = "", steps = "0"] = process.argv.slice(2);
const guarded = await guardedSteps(folder, `syncs-${steps}`);
for (let n = 0; n < Number(steps); n++) await guarded.step();
await guarded.close();
