import type { Matrix } from '../evaluation/index.ts';

/** Features of several modalities side by side: [rows, columns]. */
export function sideBySide(parts: readonly Float32Array[], rows: number, columns: number): Matrix {
  const data = new Float64Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    const width = part.length / rows;
    for (let row = 0; row < rows; row++) data.set(part.subarray(row * width, (row + 1) * width), row * columns + at);
    at += width;
  }
  return { data, rows, columns };
}

/** One below the other. */
export function stack(parts: readonly Matrix[]): Matrix {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const columns = (parts[0] as Matrix).columns;
  const data = new Float64Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, rows, columns };
}
