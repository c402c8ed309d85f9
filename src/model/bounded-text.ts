/**
 * Text for a record: cut to at most `most` UTF-16 units and well formed. The cut comes first, since it may
 * split a surrogate pair, and text that is not well formed has no canonical form: it could not be logged.
 */
export function boundedText(text: string, most: number): string {
  return text.slice(0, most).toWellFormed();
}
