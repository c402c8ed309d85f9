/**
 * Numbers for text, to look things up by. Not for secrets and not for trust: whoever can choose a text can make two
 * with one number, so what is found by it has to be compared.
 */
export function hashed(seed: number, text: string, start: number, end: number): number {
  let number = seed;
  for (let at = start; at < end; at++) number = mixed(number, text.charCodeAt(at));
  return number;
}

/** A number that all bits of another one count in, the high ones folded down on the low ones. */
export function ended(number: number): number {
  const next = Math.imul(number ^ 0x10000, 0x01000193);
  return next ^ (next >>> 15);
}

/** Of a beginning and the number of one more key: `ab` and `c` are not `a` and `bc`. */
export function withKey(beginning: number, key: number): number {
  return ended((Math.imul(beginning, 31) + key) | 0);
}

export function mixed(number: number, unit: number): number {
  return (Math.imul(number, 31) + unit) | 0;
}

/** One number of two that are well mixed already. */
export function joined(one: number, other: number): number {
  const number = Math.imul(one ^ other, 0x85ebca6b);
  return number ^ (number >>> 15);
}
