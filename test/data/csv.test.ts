import { describe, expect, it } from 'vitest';
import { parseCell, parseNumberTable, parseTextTable } from '../../lib/data/csv.ts';

describe('parseNumberTable', () => {
  it('reads decimals, exponents and signs, and knows the line of each row', () => {
    const table = parseNumberTable('time,a\n0,1.5\n\n.04,-2e-3\n0.08,+3.\n', 'x.csv');
    expect(table.header).toEqual(['time', 'a']);
    expect(table.length).toBe(3);
    expect([...table.values]).toEqual([0, 1.5, 0.04, -0.002, 0.08, 3]);
    expect(table.lines).toEqual([2, 4, 5]);
  });

  it('takes an empty cell and NaN as missing, and blanks around cells as nothing', () => {
    const table = parseNumberTable(' time , a,b\n 0 ,, NaN \n0.04,nan,1', 'x.csv');
    expect(table.header).toEqual(['time', 'a', 'b']);
    expect([...table.values]).toEqual([0, Number.NaN, Number.NaN, 0.04, Number.NaN, 1]);
  });

  it('reads Windows line ends, a byte order mark and quoted cells alike', () => {
    const table = parseNumberTable('\uFEFF"time","a"\r\n"0","1"\r\n\r\n1,2\r\n', 'x.csv');
    expect(table.header).toEqual(['time', 'a']);
    expect([...table.values]).toEqual([0, 1, 1, 2]);
    expect(table.lines).toEqual([2, 4]);
  });

  it('reads a header without rows', () => {
    expect(parseNumberTable('time,a\n', 'x.csv')).toEqual({
      header: ['time', 'a'],
      length: 0,
      values: new Float64Array(0),
      lines: [],
    });
  });

  it.each<[string, string, RegExp]>([
    ['nothing at all', '', /x\.csv is empty/],
    ['a short row', 'time,a\n0,1\n1\n', /line 3: 1 cells, but the header has 2/],
    ['a long row', 'time,a\n0,1,2\n', /line 2: 3 cells, but the header has 2/],
    ['two columns of one name', 'time,a,a\n0,1,2\n', /line 1: two columns are called "a"/],
    ['a question mark', 'time,a\n0,?\n', /line 2, column a: "\?", not a number/],
    ['a word', 'time,a\n0,1\n1,high\n', /line 3, column a: "high"/],
    ['a decimal comma', 'time,a\n0,"0,5"\n', /line 2, column a: "0,5"/],
    ['hexadecimal', 'time,a\n0,0x10\n', /"0x10"/],
    ['an infinity', 'time,a\n0,inf\n', /line 2, column a: an infinity \("inf"\)/],
    ['a negative infinity', 'time,a\n0,-Infinity\n', /an infinity/],
    ['a number beyond float64', 'time,a\n0,1e999\n', /an infinity \("1e999"\)/],
    ['a quote that never ends', 'time,a\n0,"1\n', /x\.csv is not a table/],
  ])('refuses %s, and says where', (_, text, message) => {
    expect(() => parseNumberTable(text, 'x.csv')).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message) }),
    );
  });
});

describe('parseTextTable', () => {
  it('keeps cells as text, at any delimiter', () => {
    const table = parseTextTable('onset\tphash\n0\t80f0\n', 'x.tsv', '\t');
    expect(table).toEqual({ header: ['onset', 'phash'], rows: [['0', '80f0']], lines: [2] });
  });
});

describe('parseCell', () => {
  it('tells the remedy', () => {
    expect(() => parseCell('x', 'a.csv', 3, 'v')).toThrow('leave the cell empty if it is missing');
  });
});
