/**
 * Runs `work` with a signal that is aborted when `parent` is, or after `limitMs`. Its reason is always the
 * error that is meant to be thrown, so that whoever sees it aborted throws `signal.reason` and is done.
 */
export async function withinTime<T>(
  parent: AbortSignal,
  limitMs: number,
  reasons: { readonly late: () => Error; readonly cancelled: () => Error },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const cancel = (): void => controller.abort(reasons.cancelled());
  // Not AbortSignal.any: the parent lives as long as its step and would collect one dependent a use.
  parent.addEventListener("abort", cancel, { once: true });
  if (parent.aborted) cancel();
  const timer = setTimeout(() => controller.abort(reasons.late()), limitMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    parent.removeEventListener("abort", cancel);
  }
}
