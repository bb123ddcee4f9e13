import { CircumplexError } from '../errors.ts';

/**
 * Mean and standard deviation (1/n) of every feature over a window around each frame: functionals, the classical input
 * of a linear regressor. The window of n frames reaches floor(n/2) to the left and the rest to the right; at the edges
 * only existing frames count, and missing frames (NaN in the feature) are left out. A window without a valid frame
 * gives NaN.
 *
 * @param features [length, size]
 * @param window frames
 * @returns [length, 2 size]: the means, then the standard deviations
 * @throws ERR_SHAPE where `features` is no multiple of `size`; ERR_CONFIG where `window` is no positive integer
 */
export function windowStatistics(features: Float32Array, size: number, window: number): Float32Array {
  const length = features.length / size;
  if (!Number.isInteger(length)) {
    throw new CircumplexError('ERR_SHAPE', `${features.length} values are no multiple of ${size} features`);
  }
  if (!Number.isInteger(window) || window < 1) {
    throw new CircumplexError('ERR_CONFIG', `a window of ${window} frames is impossible; give a positive integer`);
  }
  const left = Math.floor(window / 2);
  const statistics = new Float32Array(length * 2 * size);
  for (let t = 0; t < length; t++) {
    const from = Math.max(t - left, 0);
    const to = Math.min(t - left + window, length);
    for (let feature = 0; feature < size; feature++) {
      const [mean, sd] = momentsOf(features, size, feature, from, to);
      statistics[t * 2 * size + feature] = mean;
      statistics[t * 2 * size + size + feature] = sd;
    }
  }
  return statistics;
}

function momentsOf(features: Float32Array, size: number, feature: number, from: number, to: number): [number, number] {
  let [count, sum] = [0, 0];
  for (let t = from; t < to; t++) {
    const value = features[t * size + feature] as number;
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
  }
  const mean = sum / count;
  let squares = 0;
  for (let t = from; t < to; t++) {
    const value = features[t * size + feature] as number;
    if (!Number.isNaN(value)) squares += (value - mean) * (value - mean);
  }
  return [mean, Math.sqrt(squares / count)];
}
