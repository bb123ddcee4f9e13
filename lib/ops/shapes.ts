import { CircumplexError } from '../errors.ts';
import type { Value } from '../graph/graph.ts';

/** The dimensions of `value`, checked: a null stands for any size. */
export function dimensions(op: string, name: string, value: Value, expected: readonly (number | null)[]): number[] {
  const fits = value.dims.length === expected.length && expected.every((d, i) => d === null || d === value.dims[i]);
  if (!fits) {
    const wanted = expected.map((d) => d ?? 'any').join(', ');
    throw new CircumplexError('ERR_SHAPE', `${op}: ${name} is [${value.dims.join(', ')}], expected [${wanted}]`);
  }
  return [...value.dims];
}

/** @throws CircumplexError ERR_CONFIG unless `value` is an integer of at least `least`. */
export function integer(op: string, name: string, value: number, least: number): number {
  if (!Number.isInteger(value) || value < least) {
    throw new CircumplexError('ERR_CONFIG', `${op}: ${name} must be an integer of at least ${least}, not ${value}`);
  }
  return value;
}

/** @throws CircumplexError ERR_CONFIG unless 0 <= value < 1. */
export function probability(op: string, name: string, value: number): number {
  if (!(value >= 0 && value < 1)) {
    throw new CircumplexError('ERR_CONFIG', `${op}: ${name} must be at least 0 and below 1, not ${value}`);
  }
  return value;
}
