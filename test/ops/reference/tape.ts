/** A vector of the computation and the gradient that flows back to it. Parts of a vector share its memory. */
export interface Vector {
  readonly value: Float64Array;
  readonly gradient: Float64Array;
}

/** Reverse-mode differentiation over float64 vectors: each operation notes how its gradient goes back. */
export class Tape {
  readonly #steps: (() => void)[] = [];

  vector(values: ArrayLike<number>): Vector {
    return { value: Float64Array.from(values), gradient: new Float64Array(values.length) };
  }

  zeros(size: number): Vector {
    return this.vector(new Float64Array(size));
  }

  /** weight [rows, size of x], row-major, times x. */
  product(weight: Vector, x: Vector): Vector {
    const size = x.value.length;
    const y = this.zeros(weight.value.length / size);
    y.value.forEach((_, i) => {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += weight.value[i * size + k]! * x.value[k]!;
      y.value[i] = sum;
    });
    this.#steps.push(() => {
      y.gradient.forEach((g, i) => {
        for (let k = 0; k < size; k++) {
          weight.gradient[i * size + k]! += g * x.value[k]!;
          x.gradient[k]! += g * weight.value[i * size + k]!;
        }
      });
    });
    return y;
  }

  add(...terms: Vector[]): Vector {
    const y = this.zeros(terms[0]!.value.length);
    for (const term of terms) accumulate(y.value, term.value);
    this.#steps.push(() => {
      for (const term of terms) accumulate(term.gradient, y.gradient);
    });
    return y;
  }

  /** Element by element. */
  multiply(a: Vector, b: Vector): Vector {
    const y = this.vector(a.value.map((v, i) => v * b.value[i]!));
    this.#steps.push(() => {
      y.gradient.forEach((g, i) => {
        a.gradient[i]! += g * b.value[i]!;
        b.gradient[i]! += g * a.value[i]!;
      });
    });
    return y;
  }

  /** By factors that are no part of the computation. */
  scale(a: Vector, factors: ArrayLike<number>): Vector {
    const y = this.vector(a.value.map((v, i) => v * factors[i]!));
    this.#steps.push(() => {
      y.gradient.forEach((g, i) => {
        a.gradient[i]! += g * factors[i]!;
      });
    });
    return y;
  }

  /** f of each element; `slope` from the result. */
  map(a: Vector, f: (x: number) => number, slope: (y: number) => number): Vector {
    const y = this.vector(a.value.map(f));
    this.#steps.push(() => {
      y.gradient.forEach((g, i) => {
        a.gradient[i]! += g * slope(y.value[i]!);
      });
    });
    return y;
  }

  sigmoid = (a: Vector) =>
    this.map(
      a,
      (x) => 1 / (1 + Math.exp(-x)),
      (y) => y * (1 - y),
    );
  tanh = (a: Vector) => this.map(a, Math.tanh, (y) => 1 - y * y);
  exp = (a: Vector) => this.map(a, Math.exp, (y) => y);

  /** Side by side. */
  concat(parts: Vector[]): Vector {
    const y = this.vector(parts.flatMap((part) => [...part.value]));
    this.#steps.push(() => {
      let offset = 0;
      for (const part of parts) {
        accumulate(part.gradient, y.gradient.subarray(offset, offset + part.value.length));
        offset += part.value.length;
      }
    });
    return y;
  }

  /** One number. */
  dot(a: Vector, b: Vector): Vector {
    const y = this.vector([a.value.reduce((sum, v, i) => sum + v * b.value[i]!, 0)]);
    this.#steps.push(() => {
      const g = y.gradient[0]!;
      a.value.forEach((v, i) => {
        a.gradient[i]! += g * b.value[i]!;
        b.gradient[i]! += g * v;
      });
    });
    return y;
  }

  softmax(a: Vector): Vector {
    const most = Math.max(...a.value);
    const e = a.value.map((x) => Math.exp(x - most));
    const total = e.reduce((sum, x) => sum + x, 0);
    const y = this.vector(e.map((x) => x / total));
    this.#steps.push(() => {
      const mean = y.value.reduce((sum, v, i) => sum + v * y.gradient[i]!, 0);
      y.value.forEach((v, i) => {
        a.gradient[i]! += v * (y.gradient[i]! - mean);
      });
    });
    return y;
  }

  /** sum_i weights_i vectors_i */
  combine(weights: Vector, vectors: Vector[]): Vector {
    const y = this.zeros(vectors[0]!.value.length);
    vectors.forEach((v, i) => {
      v.value.forEach((x, k) => {
        y.value[k]! += weights.value[i]! * x;
      });
    });
    this.#steps.push(() => {
      vectors.forEach((v, i) => {
        y.gradient.forEach((g, k) => {
          weights.gradient[i]! += g * v.value[k]!;
          v.gradient[k]! += g * weights.value[i]!;
        });
      });
    });
    return y;
  }

  /** From the gradients that stand in the results to those of everything they came from. */
  backward(): void {
    for (const step of this.#steps.reverse()) step();
    this.#steps.length = 0;
  }
}

/** Elements offset .. offset + size - 1, in the same memory. */
export function part(vector: Vector, offset: number, size: number): Vector {
  return {
    value: vector.value.subarray(offset, offset + size),
    gradient: vector.gradient.subarray(offset, offset + size),
  };
}

/** [time, lane, width] as one vector a frame and lane. */
export type Rows = Vector[][];

export function rowsOf(vector: Vector, time: number, lanes: number): Rows {
  const width = vector.value.length / (time * lanes);
  return Array.from({ length: time }, (_, t) =>
    Array.from({ length: lanes }, (_, lane) => part(vector, (t * lanes + lane) * width, width)),
  );
}

/** The values of rows, 0 where there is none: [time, lane, width]. */
export function valuesOf(rows: (Vector | null)[][], width: number): Float64Array {
  return Float64Array.from(rows.flatMap((row) => row.flatMap((v) => (v ? [...v.value] : new Array(width).fill(0)))));
}

/** Adds gradients [time, lane, width] to those of the rows that are there. */
export function seed(rows: (Vector | null)[][], gradients: ArrayLike<number>, width: number): void {
  let at = 0;
  for (const row of rows) {
    for (const vector of row) {
      for (let k = 0; k < width; k++, at++) if (vector) vector.gradient[k]! += gradients[at]!;
    }
  }
}

function accumulate(to: Float64Array, from: Float64Array): void {
  from.forEach((value, i) => {
    to[i]! += value;
  });
}
