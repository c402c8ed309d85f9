import { z } from "zod";

/** An agent, workflow, step, policy or contract id in a document (SEMANTICS A1). */
export const identifierText = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}$/,
    "must begin with a letter or digit and hold only letters, digits and . _ @ : - (at most 128)",
  );
