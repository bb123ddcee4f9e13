import { describe, expect, it } from 'vitest';
import { replicaStatistics } from '../../lib/evaluation/replicas.ts';
import {
  cccColumn,
  checkTable,
  formatNumber,
  type Table,
  toCsv,
  toHtml,
  toLatex,
  toMarkdown,
  toText,
} from '../../lib/report/tables.ts';

const table: Table = {
  title: 'Fusion, "dev" <9 sequences>',
  note: 'a|b',
  columns: [
    { name: 'condition' },
    { name: 'runs', digits: 0 },
    cccColumn('arousal', 'cccMean'),
    cccColumn('arousal', 'cccConcat', 2),
  ],
  rows: [
    ['attention, gated', 3, replicaStatistics([0.1, 0.2, 0.3]), 0.25],
    ['a|b <c>', 1, replicaStatistics([0.5]), -0.001],
    ['mean', 0, null, null],
  ],
};

describe('a table', () => {
  it('is Markdown', () => {
    expect(toMarkdown(table)).toBe(
      [
        '**Fusion, "dev" \\<9 sequences\\>**',
        '',
        '| condition | runs | arousal CCC, mean over sequences | arousal CCC, concatenated |',
        '| --- | --: | --: | --: |',
        '| attention, gated | 3 | 0.200 ± 0.100 | 0.25 |',
        '| a\\|b \\<c\\> | 1 | 0.500 | 0.00 |',
        '| mean | 0 | - | - |',
        '',
        'a\\|b',
        '',
      ].join('\n'),
    );
  });

  it('is LaTeX', () => {
    const odd = { ...table, note: '', rows: [['5 % of {a}_b ~ x\\y', 3, -0.5, null]] };
    expect(toLatex(odd)).toBe(
      [
        '% Fusion, "dev" <9 sequences>',
        '\\begin{tabular}{lrrr}',
        '\\hline',
        'condition & runs & arousal CCC, mean over sequences & arousal CCC, concatenated \\\\',
        '\\hline',
        '5 \\% of \\{a\\}\\_b \\textasciitilde{} x\\textbackslash{}y & 3 & $-$0.500 & - \\\\',
        '\\hline',
        '\\end{tabular}',
        '',
      ].join('\n'),
    );
    expect(toLatex(table)).toContain('% a|b\n');
    expect(toLatex(table)).toContain('0.200 $\\pm$ 0.100');
  });

  it('is CSV in full precision, a statistic in three columns, undefined empty', () => {
    expect(toCsv(table)).toBe(
      [
        'condition,runs,"arousal CCC, mean over sequences","arousal CCC, mean over sequences, sd","arousal CCC, mean over sequences, n","arousal CCC, concatenated"',
        `"attention, gated",3,0.20000000000000004,${replicaStatistics([0.1, 0.2, 0.3]).sd},3,0.25`,
        'a|b <c>,1,0.5,,1,-0.001',
        'mean,0,,,,',
        '',
      ].join('\n'),
    );
  });

  it('is aligned text', () => {
    expect(toText(table)).toBe(
      [
        'Fusion, "dev" <9 sequences>',
        '',
        'condition         runs  arousal CCC, mean over sequences  arousal CCC, concatenated',
        '----------------  ----  --------------------------------  -------------------------',
        'attention, gated     3                     0.200 ± 0.100                       0.25',
        'a|b <c>              1                             0.500                       0.00',
        'mean                 0                                 -                          -',
        '',
        'a|b',
        '',
      ].join('\n'),
    );
  });

  it('is HTML, escaped', () => {
    expect(toHtml(table)).toBe(
      [
        '<div class="table" role="region" aria-label="Fusion, &quot;dev&quot; &lt;9 sequences&gt;" tabindex="0">',
        '<table><caption>Fusion, &quot;dev&quot; &lt;9 sequences&gt;</caption>',
        '<thead><tr><th scope="col">condition</th><th scope="col" class="number">runs</th><th scope="col" class="number">arousal CCC, mean over sequences</th><th scope="col" class="number">arousal CCC, concatenated</th></tr></thead>',
        '<tbody>',
        '<tr><th scope="row">attention, gated</th><td class="number">3</td><td class="number">0.200 ± 0.100</td><td class="number">0.25</td></tr>',
        '<tr><th scope="row">a|b &lt;c&gt;</th><td class="number">1</td><td class="number">0.500</td><td class="number">0.00</td></tr>',
        '<tr><th scope="row">mean</th><td class="number">0</td><td class="number">-</td><td class="number">-</td></tr>',
        '</tbody></table>',
        '</div>',
        '<p class="note">a|b</p>',
      ].join('\n'),
    );
  });

  it('quotes CSV cells that hold quotes, commas or line ends', () => {
    const quoted = { ...table, columns: [{ name: 'a"b' }], rows: [['x\ny']] };
    expect(toCsv(quoted)).toBe('"a""b"\n"x\ny"\n');
  });

  it('shows a statistic with the decimals of its source', () => {
    const printed = { ...table, columns: [{ name: 'r' }], rows: [[{ mean: 0.6, sd: 0.1, n: 10, digits: 2 }]] };
    expect(toText(printed)).toContain('0.60 ± 0.10');
  });

  it('has no note line without a note, and may have no rows', () => {
    expect(toText({ ...table, note: '', columns: [{ name: 'a' }], rows: [] })).toBe(
      'Fusion, "dev" <9 sequences>\n\na\n-\n',
    );
  });

  it('without a convention in the header of a CCC is refused', () => {
    const vague = { ...table, columns: [{ name: 'CCC' }], rows: [] };
    expect(() => toMarkdown(vague)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
    expect(() => checkTable({ ...vague, columns: [{ name: 'valence CCC, concatenated' }] })).not.toThrow();
  });

  it('with a row of another width, or a number that is not finite, is refused', () => {
    const columns = [{ name: 'r' }];
    expect(() => toCsv({ ...table, columns, rows: [[1, 2]] })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => toCsv({ ...table, columns, rows: [[NaN]] })).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    expect(() => toHtml({ ...table, columns, rows: [[{ mean: Infinity, sd: null, n: 1 }]] })).toThrow(
      expect.objectContaining({ code: 'ERR_DATA' }),
    );
  });
});

describe('formatNumber', () => {
  it('never shows a minus zero', () => {
    expect(formatNumber(-0.0004, 3)).toBe('0.000');
    expect(formatNumber(-0.2, 0)).toBe('0');
    expect(formatNumber(-0.0006, 3)).toBe('-0.001');
    expect(formatNumber(null, 3)).toBe('-');
  });
});
