import { describe, expect, it } from 'vitest';
import { concordance } from '../../lib/evaluation/concordance.ts';
import { type ScoredSequence, score, selectionScore } from '../../lib/evaluation/score.ts';

/** [length, 2] arrays from two columns each. */
function sequence(id: string, gold: [number[], number[]], prediction: [number[], number[]]): ScoredSequence {
  const interleave = ([a, b]: [number[], number[]]) =>
    Float64Array.from(a.flatMap((value, t) => [value, b[t] as number]));
  return { sequence: id, gold: interleave(gold), prediction: interleave(prediction) };
}

const targets = ['arousal', 'valence'];
const refusal = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });
const first = sequence(
  'dev_1',
  [
    [0, 1, 2],
    [5, 5, 5],
  ],
  [
    [0, 1, 1],
    [5, 5, 5],
  ],
);
const second = sequence(
  'dev_2',
  [
    [4, 6, 5, 7],
    [0, 1, 0, 1],
  ],
  [
    [5, 6, 4, 8],
    [1, 0, 1, 0],
  ],
);

describe('score', () => {
  const scores = score([first, second], targets);

  it('is an object keyed by the name of the target', () => {
    expect(Object.keys(scores)).toEqual(targets);
  });

  it('averages the CCCs of the sequences, and concatenates the frames', () => {
    const single = concordance([4, 6, 5, 7], [5, 6, 4, 8]).ccc as number;
    expect(scores.arousal?.cccMean).toBeCloseTo((2 / 3 + single) / 2, 14);
    expect(scores.arousal?.cccConcat).toBe(concordance([0, 1, 2, 4, 6, 5, 7], [0, 1, 1, 5, 6, 4, 8]).ccc);
    expect(scores.arousal?.frames).toBe(7);
  });

  it('leaves an undefined sequence out of the mean and counts it', () => {
    expect(scores.valence?.perSequence.dev_1?.ccc).toBeNull();
    expect(scores.valence?.undefinedSequences).toBe(1);
    expect(scores.valence?.cccMean).toBe(-1);
    expect(scores.arousal?.undefinedSequences).toBe(0);
  });

  it('takes curves as predict returns them: of one sequence, or of several in the order of the gold standards', () => {
    const curves = [first, second].map(({ sequence: id, prediction }) => {
      const of = (target: number) => Float64Array.from(prediction).filter((_, i) => i % 2 === target);
      return { sequence: id, targets, arousal: of(0), valence: of(1) };
    });
    const golds = [first.gold, second.gold];
    expect(score(golds, curves)).toEqual(scores);
    expect(score(golds[1] as Float64Array, curves[1] as (typeof curves)[1])).toEqual(score([second], targets));
    expect(() => score([first.gold], curves)).toThrow(refusal('ERR_SHAPE', '1 gold standards'));
    expect(() => score([first.gold, null], curves)).toThrow(refusal('ERR_DATA', 'dev_2 has no gold standard'));
    const turned = curves.map((one, i) => (i ? { ...one, targets: ['valence', 'arousal'] } : one));
    expect(() => score(golds, turned)).toThrow(refusal('ERR_DATA', '"dev_2" has the curves valence, arousal'));
  });

  it('gives each sequence the same numbers as scoring it alone', () => {
    const alone = score([second], targets);
    expect(scores.arousal?.perSequence.dev_2).toEqual(alone.arousal?.perSequence.dev_2);
    expect(alone.arousal?.cccMean).toBe(alone.arousal?.cccConcat);
  });

  it('carries the decomposition and the RMSE of the concatenated frames', () => {
    const all = concordance([0, 1, 2, 4, 6, 5, 7], [0, 1, 1, 5, 6, 4, 8]);
    const { pearsonConcat, rmse, location, scale, biasCorrection } = scores.arousal ?? {};
    expect({ pearson: pearsonConcat, rmse, location, scale, biasCorrection, ccc: all.ccc, frames: 7 }).toEqual(all);
  });

  it('names its convention, and survives JSON', () => {
    expect(scores.arousal?.convention).toBe('circumplex');
    expect(JSON.parse(JSON.stringify(scores))).toEqual(scores);
  });

  it('takes float32 predictions', () => {
    const single = { ...second, prediction: Float32Array.from(second.prediction) };
    expect(score([first, single], targets)).toEqual(scores);
  });

  it('counts the last frame of each recording', () => {
    for (const i of [0, 1]) {
      const pair = [first, second].map((s) => ({ ...s, prediction: Float64Array.from(s.prediction) }));
      const { prediction } = pair[i]!;
      prediction[prediction.length - 2]! += 1;
      const changed = score(pair, targets).arousal;
      expect(changed?.cccConcat).not.toBe(scores.arousal?.cccConcat);
      expect(changed?.cccMean).not.toBe(scores.arousal?.cccMean);
    }
  });

  it('is not that of the best single sequence', () => {
    const { cccMean, cccConcat, perSequence } = scores.arousal!;
    const best = Math.max(...Object.values(perSequence).map(({ ccc }) => ccc as number));
    expect(cccMean).toBeLessThan(best);
    expect(cccMean).not.toBe(cccConcat);
    expect(selectionScore({ arousal: scores.arousal! })).toBe(cccMean);
  });

  it('is undefined for a target without any labelled frame', () => {
    const unlabelled = sequence(
      'dev_1',
      [
        [NaN, NaN],
        [0, 1],
      ],
      [
        [0, 1],
        [0, 1],
      ],
    );
    const { cccMean, cccConcat, rmse, undefinedSequences } = score([unlabelled], targets).arousal ?? {};
    expect({ cccMean, cccConcat, rmse, undefinedSequences }).toEqual({
      cccMean: null,
      cccConcat: null,
      rmse: null,
      undefinedSequences: 1,
    });
  });

  it('shows that the two aggregates are different numbers', () => {
    // Within each sequence the prediction is reversed; between them it is right.
    const a = { sequence: 'a', gold: Float64Array.of(0, 0.1), prediction: Float64Array.of(0.1, 0) };
    const b = { sequence: 'b', gold: Float64Array.of(1, 1.1), prediction: Float64Array.of(1.1, 1) };
    const { cccMean, cccConcat } = score([a, b], ['arousal']).arousal ?? {};
    expect(cccMean).toBeCloseTo(-1, 14);
    expect(cccConcat).toBeGreaterThan(0.95);
  });
});

describe('score under other conventions', () => {
  it('crops a long prediction and repeats the last frame of a short one, as AVEC does', () => {
    const gold = Float64Array.of(0, 1, 2, 3);
    const short = score([{ sequence: 's', gold, prediction: Float64Array.of(0, 2) }], ['arousal'], {
      convention: 'avec',
    });
    const long = score([{ sequence: 's', gold, prediction: Float64Array.of(0, 2, 2, 2, 9) }], ['arousal'], {
      convention: 'avec',
    });
    expect(short).toEqual(long);
    expect(short.arousal?.convention).toBe('avec');
    // cov/N = 0.75, var/(N-1) = 5/3 and 1, means 1.5 and 1.5.
    expect(long.arousal?.cccConcat).toBeCloseTo(1.5 / (5 / 3 + 1), 14);
  });

  it('repeats whole frames, target by target', () => {
    const gold = Float64Array.of(0, 0, 1, 1, 2, 2);
    const prediction = Float64Array.of(0, 5, 1, 6);
    const scores = score([{ sequence: 's', gold, prediction }], targets, { convention: 'avec' });
    expect(scores.valence?.rmse).toBeCloseTo(Math.sqrt((25 + 25 + 16) / 3), 14);
  });

  it('omits the last frame of each recording, as AVEC 2018 GES does', () => {
    const gold = Float64Array.of(0, 1, 2, 100);
    const prediction = Float64Array.of(0, 1, 1, -100);
    const { cccMean, frames } =
      score([{ sequence: 's', gold, prediction }], ['arousal'], { convention: 'avec-recola' }).arousal ?? {};
    expect(cccMean).toBeCloseTo(2 / 3, 14);
    expect(frames).toBe(3);
  });
});

describe('score refuses', () => {
  it('a NaN prediction, naming sequence, target and frame', () => {
    const broken = { ...second, prediction: Float64Array.from(second.prediction) };
    broken.prediction[5] = NaN;
    expect(() => score([first, broken], targets)).toThrow(
      refusal('ERR_DATA', 'sequence "dev_2", target "valence": the prediction at frame 2'),
    );
  });

  it('lengths that differ, or that do not fit the targets', () => {
    expect(() => score([{ ...first, prediction: new Float64Array(8) }], targets)).toThrow(
      refusal('ERR_SHAPE', '"dev_1"'),
    );
    expect(() => score([{ ...first, gold: new Float64Array(5) }], targets)).toThrow(
      refusal('ERR_SHAPE', 'multiple of 2'),
    );
  });

  it('a sequence or target given twice, and nothing at all', () => {
    expect(() => score([first, first], targets)).toThrow(refusal('ERR_DATA', '"dev_1" is given twice'));
    expect(() => score([first], ['arousal', 'arousal'])).toThrow(refusal('ERR_CONFIG', '"arousal"'));
    expect(() => score([], targets)).toThrow(refusal('ERR_CONFIG', 'no sequence'));
    expect(() => score([first], [])).toThrow(refusal('ERR_CONFIG', 'no target'));
  });

  it('an unknown convention', () => {
    expect(() => score([first], targets, { convention: 'abaw9' as never })).toThrow(refusal('ERR_CONFIG', 'abaw9'));
  });
});

describe('selectionScore', () => {
  it('averages cccMean over the targets, counting undefined as 0', () => {
    expect(selectionScore({ arousal: { cccMean: 0.6 }, valence: { cccMean: null } })).toBeCloseTo(0.3, 15);
    expect(selectionScore({ arousal: { cccMean: 0.6 }, valence: { cccMean: 0.2 } })).toBeCloseTo(0.4, 15);
  });

  it('refuses what is keyed the other way round, as the report of an epoch is', () => {
    const report = { cccMean: { arousal: 0.6 }, cccConcat: { arousal: 0.5 } };
    expect(() => selectionScore(report as never)).toThrow(refusal('ERR_CONFIG', "cccMean is no target's score"));
  });

  it('refuses a score without targets', () => {
    expect(() => selectionScore({})).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});
