import { binding, guarded } from './native.ts';

/**
 * A copy in a nameless file of `directory`, of which the system keeps in memory what it has room for.
 *
 * @throws CircumplexError ERR_FILE when the directory has no space for it, or is not there
 */
export function inScratch<A extends Float32Array | Float64Array>(values: A, directory: string): A {
  const buffer = guarded(() => binding().scratchBuffer(directory, values.byteLength));
  const copy = new (values.constructor as new (buffer: ArrayBuffer) => A)(buffer);
  copy.set(values);
  return copy;
}
