/** The hash is taken of a picture of this many pixels each way, and keeps so many of its lowest frequencies each way. */
const [SIDE, KEPT] = [48, 12] as const;

const HASH_BITS = KEPT * KEPT;

/** `[frequency, place]`: a type 2 cosine transform, of the frequencies that are kept. */
const COSINES = Float64Array.from({ length: KEPT * SIDE }, (_, i) => {
  const [frequency, place] = [Math.floor(i / SIDE), i % SIDE];
  return 2 * Math.cos((Math.PI * frequency * (2 * place + 1)) / (2 * SIDE));
});

/**
 * The perceptual hash of studyforrest's frames (ImageHash 4.1.0, `phash` with hash size 12 and high frequency factor 4):
 * the picture in 48 x 48 grey values, their cosine transform, a bit for each of the 12 x 12 lowest frequencies: 1 where it
 * is above the median of all of them. `[frequency down, frequency across]`
 */
export class PerceptualHash {
  private readonly across: Taps;
  private readonly down: Taps;
  private readonly narrow: Float64Array;

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {
    this.across = lanczos(width);
    this.down = lanczos(height);
    this.narrow = new Float64Array(height * SIDE);
  }

  /** @param grey `[height, width]` */
  of(grey: Uint8Array): Uint8Array {
    const low = lowFrequencies(this.reduced(grey));
    const sorted = Float64Array.from(low).sort();
    const median = ((sorted[HASH_BITS / 2 - 1] as number) + (sorted[HASH_BITS / 2] as number)) / 2;
    return Uint8Array.from(low, (value) => (value > median ? 1 : 0));
  }

  /** 48 x 48, rounded to whole grey values after each direction, as Pillow does. */
  private reduced(grey: Uint8Array): Float64Array {
    const { width, height, narrow, across, down } = this;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < SIDE; x++) {
        narrow[y * SIDE + x] = wholeGrey(weighted(across, x, grey, y * width, 1));
      }
    }
    const small = new Float64Array(SIDE * SIDE);
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) small[y * SIDE + x] = wholeGrey(weighted(down, y, narrow, x, SIDE));
    }
    return small;
  }
}

/** The share of bits in which two hashes differ, 0 to 1. */
export function hashDistance(a: Uint8Array, b: Uint8Array): number {
  let different = 0;
  for (let i = 0; i < HASH_BITS; i++) different += a[i] === b[i] ? 0 : 1;
  return different / HASH_BITS;
}

/** For each of the 48 places, which pixels it is made of, and their weights. */
interface Taps {
  first: Int32Array;
  weights: Float64Array[];
}

/** Lanczos, three lobes, widened by the reduction so that nothing is aliased. */
function lanczos(size: number): Taps {
  const step = size / SIDE;
  const widening = Math.max(1, step);
  const reach = 3 * widening;
  const first = new Int32Array(SIDE);
  const weights = Array.from({ length: SIDE }, (_, place) => {
    const centre = (place + 0.5) * step;
    const from = Math.max(0, Math.trunc(centre - reach + 0.5));
    const to = Math.min(size, Math.trunc(centre + reach + 0.5));
    first[place] = from;
    const raw = Float64Array.from({ length: to - from }, (_, i) => kernel((from + i + 0.5 - centre) / widening));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return raw.map((weight) => weight / sum);
  });
  return { first, weights };
}

function kernel(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const angle = Math.PI * x;
  return (3 * Math.sin(angle) * Math.sin(angle / 3)) / (angle * angle);
}

function weighted(taps: Taps, place: number, values: Uint8Array | Float64Array, start: number, stride: number): number {
  const weights = taps.weights[place] as Float64Array;
  let at = start + (taps.first[place] as number) * stride;
  let sum = 0;
  for (let i = 0; i < weights.length; i++, at += stride) sum += (weights[i] as number) * (values[at] as number);
  return sum;
}

function wholeGrey(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}

/** `[frequency down, frequency across]`, 12 x 12. */
function lowFrequencies(small: Float64Array): Float64Array {
  const columns = new Float64Array(KEPT * SIDE);
  for (let v = 0; v < KEPT; v++) {
    for (let x = 0; x < SIDE; x++) {
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += (COSINES[v * SIDE + y] as number) * (small[y * SIDE + x] as number);
      columns[v * SIDE + x] = sum;
    }
  }
  const low = new Float64Array(HASH_BITS);
  for (let v = 0; v < KEPT; v++) {
    for (let u = 0; u < KEPT; u++) {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += (COSINES[u * SIDE + x] as number) * (columns[v * SIDE + x] as number);
      low[v * KEPT + u] = sum;
    }
  }
  return low;
}
