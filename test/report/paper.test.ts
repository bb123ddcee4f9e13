import { describe, expect, it } from 'vitest';
import { type OurRuns, paperConditions, paperTables } from '../../lib/report/paper.ts';
import { toCsv, toMarkdown, toText } from '../../lib/report/tables.ts';

const ours: OurRuns[] = [
  {
    protocol: 'inner selection',
    optimistic: false,
    scored: 'RECOLA dev',
    runs: {
      'fusion-static': {
        cccMean: { valence: [0.4, 0.5], arousal: [0.6, 0.6] },
        cccConcat: { valence: [0.41, 0.51], arousal: [0.61, 0.61] },
      },
    },
  },
  { protocol: "the paper's", optimistic: true, scored: 'RECOLA dev', runs: {} },
];

describe('the paper', () => {
  it('printed these numbers', () => {
    const text = paperTables([]).map(toText).join('\n');
    for (const line of [
      /video, no attention +paper +RECOLA dev +10 +0\.36 ± 0\.07 +0\.15 ± 0\.05/,
      /video, embedding attention +paper +RECOLA dev +10 +0\.39 ± 0\.06 +0\.14 ± 0\.05/,
      /frozen audio net +paper +RECOLA dev +- +0\.42 +0\.60/,
      /frozen video net +paper +RECOLA dev +- +0\.24 +0\.10/,
      /fusion, attention +paper +RECOLA dev +10 +0\.48 ± 0\.04 +0\.60 ± 0\.10/,
      /OLB\) +paper +RECOLA dev +10 +0\.32 ± 0\.03 +0\.40 ± 0\.08/,
      /HLB\) +paper +RECOLA dev +10 +0\.48 ± 0\.01 +0\.64 ± 0\.02/,
      /three streams, end to end +paper +RECOLA dev +- +0\.62 +0\.72/,
    ]) {
      expect(text).toMatch(line);
    }
  });

  it('has no value for our controls', () => {
    const [, , fusion] = paperTables([]);
    const control = fusion?.rows.filter(([label]) => String(label).startsWith('control'));
    expect(control).toHaveLength(3);
    expect(control?.every((row) => row.slice(4).every((cell) => cell === null))).toBe(true);
  });
});

describe('paperTables', () => {
  const tables = paperTables(ours);

  it('cover every condition once', () => {
    const labels = paperTables([]).flatMap(({ rows }) => rows.map(([label]) => label));
    for (const { label } of Object.values(paperConditions)) expect(labels.filter((l) => l === label)).toEqual([label]);
  });

  it('put ours beside theirs, a row a protocol, and say which is optimistic', () => {
    const fusion = toText(tables[2] as (typeof tables)[number]);
    expect(fusion).toMatch(
      /static softmax weights +circumplex: inner selection +RECOLA dev +2 +0\.450 ± 0\.071 +0\.600 ± 0\.000 +0\.460 ± 0\.071/,
    );
    expect(fusion).toMatch(/static softmax weights +circumplex: the paper's \(optimistic\) +RECOLA dev +- +- +- +- +-/);
  });

  it('carry the caveat on every table of dev scores', () => {
    for (const { note } of tables.slice(0, 4)) expect(note).toContain('no test results');
  });

  it('carry the corrected Table 2 comparison, whose pooling is not stated', () => {
    expect(tables[3]?.note).toContain('A .770, V .687');
    const others = toMarkdown(tables[4] as (typeof tables)[number]);
    expect(others).toContain('| Brady et al. 2016 | 0.687 | 0.770 |');
    expect(others).toContain('| challenge baseline | 0.638 | - |');
    expect(others).toContain('not stated');
  });

  it('keep full precision in CSV', () => {
    expect(toCsv(tables[2] as (typeof tables)[number])).toContain('0.45,0.07071067811865474,2,0.6,0,2');
  });
});
