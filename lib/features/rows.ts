/** Rows one after the other, in one array. */
export function joined(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

/** A row of a missing frame. */
export function missingRow(size: number): Float32Array {
  return new Float32Array(size).fill(Number.NaN);
}
