import type { BlobSurvey, TreeSurvey } from "../../core/log-image.js";

/** What the thread that reads a whole file says, and what it is told. */

/** What was thrown, in a form that goes from thread to thread. */
export interface SurveyFailure {
  /** Of `SqliteError`; undefined for a failure of another kind. */
  readonly code: string | undefined;
  readonly message: string;
}

export type Survey<T> = { readonly found: T } | { readonly failed: SurveyFailure };

export type FromSurvey =
  | { readonly kind: "ready" }
  | { readonly kind: "begun" }
  | { readonly kind: "blobs"; readonly survey: Survey<BlobSurvey> }
  | { readonly kind: "tree"; readonly survey: Survey<TreeSurvey> }
  | { readonly kind: "integrity"; readonly survey: Survey<readonly string[]> };

/** `begin`: to look at the database as it is now, instead of as it was. */
export type ToSurvey =
  | { readonly kind: "begin" }
  | { readonly kind: "survey" }
  | { readonly kind: "tree"; readonly sizes: readonly number[] };
