import { describe, expect, it } from 'vitest';
import { conventions } from '../../lib/evaluation/conventions.ts';
import { score } from '../../lib/evaluation/score.ts';
import { conditionTable, describeConvention, scoreTable, sequenceTable } from '../../lib/report/score_tables.ts';
import { toText } from '../../lib/report/tables.ts';

const pairs = [
  { sequence: 'dev_1', gold: Float64Array.of(0, 1, 2), prediction: Float64Array.of(0, 1, 1) },
  { sequence: 'dev_2', gold: Float64Array.of(3, 3, 3), prediction: Float64Array.of(3, 3, 3) },
];

describe('scoreTable', () => {
  it('has a row a target, with both CCCs and the undefined sequences', () => {
    const scores = score(pairs, ['arousal']);
    const table = scoreTable('Scores on dev', scores);
    expect(table.rows).toHaveLength(1);
    expect(table.rows[0]?.slice(0, 3)).toEqual(['arousal', 2 / 3, scores.arousal?.cccConcat]);
    expect(toText(table)).toMatch(/undefined sequences/);
    expect(table.rows[0]?.[11]).toBe(1);
  });

  it('names the convention in its note', () => {
    expect(scoreTable('t', score(pairs, ['arousal'], { convention: 'muse' })).note).toContain(
      'Convention "muse": covariance / N-1, variance / N-1',
    );
  });
});

describe('sequenceTable', () => {
  it('has a row a sequence and target, an undefined CCC as null', () => {
    const { rows } = sequenceTable('t', score(pairs, ['arousal']));
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      ['dev_1', 'arousal', 2 / 3],
      ['dev_2', 'arousal', null],
    ]);
  });
});

describe('conditionTable', () => {
  it('gives mean ± sd of both CCCs over the runs of each condition', () => {
    const text = toText(
      conditionTable('Fusion', {
        attention: { cccMean: { arousal: [0.1, 0.3] }, cccConcat: { arousal: [0.2, 0.4] } },
        mean: { cccMean: { arousal: [0.5] }, cccConcat: { arousal: [null] } },
      }),
    );
    expect(text).toContain('arousal CCC, mean over sequences  arousal CCC, concatenated');
    expect(text).toMatch(/attention +2 +0\.200 ± 0\.141 +0\.300 ± 0\.141/);
    expect(text).toMatch(/mean +1 +0\.500 +-/);
  });
});

describe('describeConvention', () => {
  it.each(Object.keys(conventions) as (keyof typeof conventions)[])('says the divisors of %s', (name) => {
    expect(describeConvention(name)).toContain(`variance / ${conventions[name].variance};`);
    expect(describeConvention(name).includes('is cropped')).toBe(conventions[name].lengths !== 'equal');
  });
});
