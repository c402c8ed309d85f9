// @ts-check

/** As many blobs as one event may commit to: a blob's `id` is so many times the event's number, and which one it is. */
export const blobsOfEvent = 16;
