/**
 * What a Range header asks for (RFC 9110, 14.2): bytes from..to-1. Null: everything, since there is no such header, or none
 * that has to be understood (another unit, several ranges).
 *
 * @param size of the whole, bytes
 */
export function byteRange(
  header: string | undefined,
  size: number,
): { from: number; to: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { from: size - length, to: size };
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return null;
  return from >= size ? 'unsatisfiable' : { from, to: last === '' ? size : Math.min(size, Number(last) + 1) };
}
