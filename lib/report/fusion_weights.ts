export interface FusionTrace {
  /** Hz */
  readonly rate: number;
  readonly streams: readonly string[];
  /** [frame, target, stream] */
  readonly fusion: Float32Array;
}

/**
 * The fusion's weights of one target, by stream [length], at the clock of the curve: a model at a lower rate holds its
 * weights.
 *
 * @param rate Hz, of the curve
 * @param length frames of the curve
 * @param targets how many there are
 * @param target which one
 */
export function fusionWeights(
  trace: FusionTrace,
  rate: number,
  length: number,
  targets: number,
  target: number,
): Record<string, Float32Array> {
  const { fusion, streams } = trace;
  const frames = fusion.length / (targets * streams.length);
  const held = (t: number) => Math.min(frames - 1, Math.floor((t * trace.rate) / rate + 1e-9));
  return Object.fromEntries(
    streams.map((name, s) => [
      name,
      Float32Array.from({ length }, (_, t) => fusion[(held(t) * targets + target) * streams.length + s] as number),
    ]),
  );
}
