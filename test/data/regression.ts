/** The fitted values of ordinary least squares with intercept, by the normal equations. */
export function leastSquares(x: readonly number[][], y: readonly number[]): number[] {
  const design = x.map((row) => [1, ...row]);
  const width = design[0]!.length;
  const system = Array.from({ length: width }, () => new Float64Array(width + 1));
  for (const [n, row] of design.entries()) {
    for (let i = 0; i < width; i++) {
      for (let j = 0; j < width; j++) system[i]![j]! += row[i]! * row[j]!;
      system[i]![width]! += row[i]! * y[n]!;
    }
  }
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < width; k++) {
      if (k === i) continue;
      const factor = system[k]![i]! / system[i]![i]!;
      for (let j = i; j <= width; j++) system[k]![j]! -= factor * system[i]![j]!;
    }
  }
  const weights = system.map((row, i) => row[width]! / row[i]!);
  return design.map((row) => row.reduce((sum, value, i) => sum + value * weights[i]!, 0));
}

export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = x.length;
  const [mx, my] = [x, y].map((values) => Array.from(values).reduce((sum, value) => sum + value, 0) / n);
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [x[i]! - mx!, y[i]! - my!];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xy / Math.sqrt(xx * yy);
}
