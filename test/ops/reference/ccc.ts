import type { Tape, Vector } from './tape.ts';

/** 1 - CCC of one term, CCC = 2 cov / (var_y + var_t + (mean_y - mean_t)^2), moments with 1/N. */
export function cccLoss(tape: Tape, y: Vector, target: number[]): Vector {
  const n = target.length;
  const ones = tape.vector(new Float64Array(n).fill(1));
  const mean = (v: Vector) => tape.scale(tape.dot(v, ones), [1 / n]);
  const minus = (v: Vector) => tape.scale(v, new Float64Array(v.value.length).fill(-1));
  const centred = (v: Vector) => tape.add(v, minus(tape.product(ones, mean(v))));
  const t = tape.vector(target);
  const [dy, dt] = [centred(y), centred(t)];
  const moment = (a: Vector, b: Vector) => tape.scale(tape.dot(a, b), [1 / n]);
  const gap = tape.add(mean(y), minus(mean(t)));
  const spread = tape.add(moment(dy, dy), moment(dt, dt), tape.multiply(gap, gap));
  const inverse = tape.map(
    spread,
    (s) => 1 / s,
    (i) => -i * i,
  );
  const concordance = tape.scale(tape.multiply(moment(dy, dt), inverse), [2]);
  return tape.add(tape.vector([1]), minus(concordance));
}

/** The mean of the terms' losses; a term with fewer than two values or constant gold is left out. */
export function ccc(tape: Tape, terms: { y: Vector; target: number[] }[]) {
  const used = terms.filter(({ target }) => target.length >= 2 && Math.max(...target) > Math.min(...target));
  const leftOut = terms.filter(({ target }) => target.length > 0).length - used.length;
  if (used.length === 0) return { loss: null, terms: 0, leftOut };
  const sum = tape.add(...used.map(({ y, target }) => cccLoss(tape, y, target)));
  return { loss: tape.scale(sum, [1 / used.length]), terms: used.length, leftOut };
}
