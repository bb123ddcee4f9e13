import { CircumplexError } from '../errors.ts';
import { random } from '../random.ts';
import type { Dataset, Sequence } from './dataset.ts';

/** Frames [from, to) of a sequence. */
export interface Stretch {
  /** The first frame. */
  from: number;
  /** The frame after the last. */
  to: number;
}

/** How a modality fails for a stretch of each sequence. */
export interface Corruption {
  /** How long the stretch is. */
  seconds: number;
  /**
   * `missing`: the modality is not there. `noise`: each feature is white noise with the mean and standard deviation that
   * it has over the sequence, so that nothing tells but the values themselves; a frame that was missing stays so.
   */
  fill: 'missing' | 'noise';
  /** Places the stretches, the same ones for every modality and fill; 0. */
  seed?: number;
}

/**
 * The data set with every frame of these modalities missing. The given one stays as it is.
 *
 * @throws ERR_CONFIG for a modality that the data set has not
 */
export function dropModality(dataset: Dataset, names: string | readonly string[]): Dataset {
  const dropped = [names].flat();
  for (const name of dropped) checkModality(dataset, name);
  const sequences = dataset.sequences.map((sequence) => {
    const absent = dropped.map((name) => {
      return [name, new Float32Array((sequence.features[name] as Float32Array).length).fill(Number.NaN)] as const;
    });
    return { ...sequence, features: { ...sequence.features, ...Object.fromEntries(absent) } };
  });
  return { ...dataset, sequences };
}

/**
 * The data set with one stretch of every sequence in which a modality is missing or noise, and where these stretches are,
 * by sequence. A sequence's stretch depends on its id, the seed and the lengths alone. The given data set stays as it is.
 *
 * @throws ERR_CONFIG for a modality that the data set has not, or a stretch of no frame or not shorter than a sequence
 */
export function corruptModality(
  dataset: Dataset,
  name: string,
  { seconds, fill, seed = 0 }: Corruption,
): {
  /** The damaged copy. */
  dataset: Dataset;
  /** By sequence. */
  stretches: Record<string, Stretch>;
} {
  checkModality(dataset, name);
  const frames = Math.round(seconds * dataset.rate);
  const shortest = Math.min(...dataset.sequences.map(({ length }) => length));
  if (!(frames >= 1 && frames < shortest)) {
    throw new CircumplexError(
      'ERR_CONFIG',
      `a stretch of ${seconds} s is ${frames} frames at ${dataset.rate} Hz; it must be at least one, and fewer than the ` +
        `${shortest} of the shortest sequence`,
    );
  }
  const stretches: Record<string, Stretch> = {};
  const sequences = dataset.sequences.map((sequence) => {
    const draw = random(seed, ...Array.from(sequence.id, (character) => character.codePointAt(0) as number));
    const from = draw.integer(0, sequence.length - frames);
    const stretch = { from, to: from + frames };
    stretches[sequence.id] = stretch;
    const values =
      fill === 'missing' ? withoutFrames(sequence, name, stretch) : withNoise(sequence, name, stretch, draw);
    return { ...sequence, features: { ...sequence.features, [name]: values } };
  });
  return { dataset: { ...dataset, sequences }, stretches };
}

function withoutFrames({ features, length }: Sequence, name: string, { from, to }: Stretch): Float32Array {
  const values = (features[name] as Float32Array).slice();
  const size = values.length / length;
  return values.fill(Number.NaN, from * size, to * size);
}

function withNoise(
  { features, length }: Sequence,
  name: string,
  { from, to }: Stretch,
  draw: ReturnType<typeof random>,
): Float32Array {
  const values = (features[name] as Float32Array).slice();
  const size = values.length / length;
  const moments = Array.from({ length: size }, (_, j) => momentsOf(values, size, j));
  for (let i = from * size; i < to * size; i++) {
    const { mean, sd } = moments[i % size] as { mean: number; sd: number };
    if (!Number.isNaN(values[i])) values[i] = mean + sd * draw.normal();
  }
  return values;
}

/** Of a column, over the frames that are there, 1/N. */
function momentsOf(values: Float32Array, size: number, column: number): { mean: number; sd: number } {
  const own: number[] = [];
  for (let i = column; i < values.length; i += size) if (!Number.isNaN(values[i])) own.push(values[i] as number);
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  const squares = own.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / own.length) };
}

function checkModality({ modalities, name: dataset }: Dataset, name: string): void {
  if (Object.hasOwn(modalities, name)) return;
  const there = Object.keys(modalities).join(', ');
  throw new CircumplexError('ERR_CONFIG', `${dataset} has no modality "${name}"; it has ${there}`);
}
