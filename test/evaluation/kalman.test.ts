import { describe, expect, it } from 'vitest';
import { type FusedSequence, fitKalman, type KalmanFusion, kalmanFusion } from '../../lib/evaluation/kalman.ts';
import { random } from '../../lib/random.ts';

/** Inverse by Gauss and Jordan, of a covariance. */
function inverse(matrix: number[][]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let k = 0; k < n; k++) {
    const head = rows[k]!.map((value) => value / rows[k]![k]!);
    rows[k] = head;
    for (let i = 0; i < n; i++) if (i !== k) rows[i] = rows[i]!.map((value, j) => value - rows[i]![k]! * head[j]!);
  }
  return rows.map((row) => row.slice(n));
}

/** E[x(t) | the views at frames up to last(t)], from the joint Gaussian of all frames and views. */
function reference(model: KalmanFusion, views: readonly Float64Array[], last: (t: number) => number): number[] {
  const frames = views[0]!.length;
  const variance: number[] = [];
  for (let t = 0; t < frames; t++) variance.push(t === 0 ? model.variance : model.a ** 2 * variance[t - 1]! + model.q);
  const covariance = (s: number, t: number) => model.a ** Math.abs(s - t) * variance[Math.min(s, t)]!;
  const n = views.length;
  return Array.from({ length: frames }, (_, t) => {
    const seen = views.flatMap((view, i) =>
      [...view.keys()].flatMap((s) => (s <= last(t) && !Number.isNaN(view[s]!) ? [{ i, s }] : [])),
    );
    if (seen.length === 0) return model.mean;
    const joint = seen.map((p) =>
      seen.map(
        (o) =>
          model.gain[p.i]! * model.gain[o.i]! * covariance(p.s, o.s) + (p.s === o.s ? model.noise[p.i * n + o.i]! : 0),
      ),
    );
    const inverted = inverse(joint);
    const cross = seen.map(({ i, s }) => model.gain[i]! * covariance(s, t));
    const surprise = seen.map(({ i, s }) => views[i]![s]! - model.bias[i]!);
    return (
      model.mean +
      cross.reduce((sum, c, p) => sum + c * surprise.reduce((own, e, o) => own + inverted[p]![o]! * e, 0), 0)
    );
  });
}

const MODEL: KalmanFusion = {
  mean: 0.3,
  a: 0.9,
  q: 0.05,
  variance: 0.4,
  bias: Float64Array.of(0.1, -0.2, 0),
  gain: Float64Array.of(0.8, 1.3, -0.5),
  noise: Float64Array.of(0.3, 0.1, 0, 0.1, 0.5, 0.05, 0, 0.05, 0.2),
};

describe('Kalman fusion', () => {
  it('is the conditional mean of the state given the views so far; smoothed, given all', () => {
    const draw = random(2);
    const views = [0, 1, 2].map(() => Float64Array.from({ length: 9 }, () => draw.normal()));
    views[0]![2] = Number.NaN;
    for (const view of views) view[5] = Number.NaN;
    const [filtered, smoothed] = [kalmanFusion(MODEL, views), kalmanFusion(MODEL, views, { smooth: true })];
    for (const [t, value] of reference(MODEL, views, (t) => t).entries()) expect(filtered[t]).toBeCloseTo(value, 10);
    for (const [t, value] of reference(MODEL, views, () => 8).entries()) expect(smoothed[t]).toBeCloseTo(value, 10);
  });

  it('finds the parameters that made the data', () => {
    const draw = random(6);
    const sequences: FusedSequence[] = Array.from({ length: 6 }, () => {
      let x = 0;
      const state = Float64Array.from({ length: 4000 }, () => (x = 0.95 * x + 0.3 * draw.normal()));
      const common = state.map(() => draw.normal());
      const views = [0, 1].map((i) =>
        state.map((value, t) => i + (1 - 0.4 * i) * value + 0.5 * draw.normal() + 0.2 * common[t]!),
      );
      return { gold: state.map((value) => value + 0.7), views };
    });
    const fitted = fitKalman(sequences);
    expect(fitted.mean).toBeCloseTo(0.7, 0);
    expect(fitted.a).toBeCloseTo(0.95, 1);
    expect(fitted.q).toBeCloseTo(0.09, 2);
    expect(fitted.gain[0]).toBeCloseTo(1, 1);
    expect(fitted.gain[1]).toBeCloseTo(0.6, 1);
    expect(fitted.bias[1]! - fitted.bias[0]!).toBeCloseTo(1, 1);
    expect([...fitted.noise].map((value) => Number(value.toFixed(1)))).toEqual([0.3, 0, 0, 0.3]);
    const [one] = sequences;
    const error = (curve: Float64Array) => curve.reduce((sum, value, t) => sum + (value - one!.gold[t]!) ** 2, 0);
    const single = one!.views[0]!.map((value) => value + 0.7);
    const filtered = kalmanFusion(fitted, one!.views);
    const smoothed = kalmanFusion(fitted, one!.views, { smooth: true });
    expect(error(filtered)).toBeLessThan(0.7 * error(single));
    expect(error(smoothed)).toBeLessThan(0.9 * error(filtered));
  });

  it('survives copies of one view and exact views, and skips what is unlabelled or missing', () => {
    const gold = Float64Array.from({ length: 200 }, (_, t) => Math.sin(t / 9));
    const fitted = fitKalman([{ gold, views: [gold.slice(), gold.slice()] }]);
    for (const [t, value] of kalmanFusion(fitted, [gold, gold]).entries()) expect(value).toBeCloseTo(gold[t]!, 3);
    const holed = gold.slice().fill(Number.NaN, 50, 60);
    const view = gold.slice().fill(Number.NaN, 100, 110);
    expect(fitKalman([{ gold: holed, views: [view] }]).a).toBeGreaterThan(0.9);
    expect(kalmanFusion(fitKalman([{ gold, views: [gold] }]), [view]).every(Number.isFinite)).toBe(true);
  });

  it('refuses what it cannot fit', () => {
    const gold = Float64Array.of(1, 2, 3, 4);
    expect(() => fitKalman([])).toThrow(/0 complete frames/);
    expect(() => fitKalman([{ gold, views: [gold.slice(1)] }])).toThrow(/as long as its gold/);
    expect(() => fitKalman([{ gold: gold.map(() => 1), views: [gold] }])).toThrow(/variance of gold 0/);
    expect(() => kalmanFusion(MODEL, [gold])).toThrow(/3 views of one length/);
  });
});
