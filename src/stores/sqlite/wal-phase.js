// @ts-check

/**
 * What the thread that moves the write-ahead log is doing, in an integer that both threads read: the one that closes
 * the database has to know it at once.
 */
export const phase = Object.freeze({ idle: 0, asked: 1, working: 2 });

/** So few pages are left to the thread that writes. */
export const restPages = 64;

/** @import { FileIdentity } from "./file-identity.js" */

/**
 * @typedef {object} MoverData
 * @property {[FileIdentity, FileIdentity, FileIdentity]} files that were opened: the database first
 * @property {SharedArrayBuffer} shared one integer: the phase
 */

/**
 * @typedef {object} Moved
 * @property {string} [failed] why it could not be moved
 */
