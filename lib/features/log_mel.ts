import { CircumplexError } from '../errors.ts';
import { binding, guarded } from '../native.ts';

/** Samples a second that the front end is made for. */
export const SAMPLE_RATE = 16000;
/** Samples of a window, and from one window to the next. */
export const WINDOW = 400;
export const HOP = 160;
export const BANDS = 64;
/** Windows of a patch, and the samples that they span: 975 ms. */
export const PATCH = 96;
export const PATCH_SPAN = (PATCH - 1) * HOP + WINDOW;

/**
 * The front end of VGGish (Hershey et al. 2017): ln(mel spectrum + 0.01) in 64 bands from 125 to 7500 Hz, of windows of
 * 400 samples, one each 160. Computed in double, by native code.
 *
 * @param samples mono, 16 kHz, full scale 1
 * @returns `[window, 64]`; only whole windows count
 */
export function logMel(samples: Float32Array): Float32Array {
  const frames = samples.length < WINDOW ? 0 : Math.floor((samples.length - WINDOW) / HOP) + 1;
  return guarded(() => binding().logMel(samples, new Float32Array(frames * BANDS)));
}

/**
 * Where patches lie.
 * - `centred`: one a label frame, its middle at the frame; zeros before the beginning and behind the end
 * - `causal`: one a label frame, which ends there; zeros before the beginning
 * - `whole`: one each 0.96 s, side by side, within the recording: VGGish's own
 */
export type PatchPlacement = 'centred' | 'causal' | 'whole';

/**
 * Zeros before the beginning and behind the end, for patches at the label frames from 0 s to the end: with 25 frames a
 * second, 300 s give 7501 patches.
 */
export const PADDING: Record<PatchPlacement, readonly [before: number, behind: number]> = {
  centred: [PATCH_SPAN / 2, PATCH_SPAN / 2],
  causal: [PATCH_SPAN, 0],
  whole: [0, 0],
};

/** The window with which the patch of a label frame begins, counted from the padding's first. */
export function patchStart(frame: number, rate: number): number {
  return Math.round((frame * SAMPLE_RATE) / HOP / rate);
}

/**
 * The patches that VGGish sees, 96 windows of 64 bands.
 *
 * @param samples mono, 16 kHz, full scale 1
 * @param rate label frames a second; `whole` patches have no use for it
 * @returns `[patch, 96, 64]`
 * @throws ERR_CONFIG for a placement that there is not
 */
export function vggishPatches(samples: Float32Array, placement: PatchPlacement = 'centred', rate = 25): Float32Array {
  if (!Object.hasOwn(PADDING, placement)) {
    const known = Object.keys(PADDING).join(', ');
    throw new CircumplexError('ERR_CONFIG', `patches are placed ${known}, not ${placement}.`);
  }
  const [before, behind] = PADDING[placement];
  const padded = new Float32Array(before + samples.length + behind);
  padded.set(samples, before);
  const frames = logMel(padded);
  const windows = frames.length / BANDS;
  const starts: number[] = [];
  for (let k = 0; ; k++) {
    const start = placement === 'whole' ? k * PATCH : patchStart(k, rate);
    if (start + PATCH > windows) break;
    starts.push(start);
  }
  const patches = new Float32Array(starts.length * PATCH * BANDS);
  starts.forEach((start, k) => {
    patches.set(frames.subarray(start * BANDS, (start + PATCH) * BANDS), k * PATCH * BANDS);
  });
  return patches;
}
