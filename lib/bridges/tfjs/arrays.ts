/** Row-major `[a, b, ...rest]` as `[b, a, ...rest]`, where `rest` has `width` values: batch first to time first, and back. */
export function swapped(values: Float32Array, a: number, b: number, width: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      const from = (i * b + j) * width;
      turned.set(values.subarray(from, from + width), (j * a + i) * width);
    }
  }
  return turned;
}

/** A matrix [rows, columns] as [columns, rows]. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j] as number;
  }
  return turned;
}
