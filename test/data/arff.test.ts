import { describe, expect, it } from 'vitest';
import { parseArff } from '../../lib/data/arff.ts';

describe('parseArff', () => {
  it('reads the gold standard of AVEC', () => {
    const text =
      '@relation GOLDSTANDARD\n\n@attribute Instance_name string\n@attribute frameTime numeric\n' +
      '@attribute GoldStandard numeric\n\n@data\ndev_1,0,-0.022925\ndev_1,0.04,?\n';
    expect(parseArff(text, 'x.arff')).toEqual({
      attributes: [
        { name: 'Instance_name', numeric: false },
        { name: 'frameTime', numeric: true },
        { name: 'GoldStandard', numeric: true },
      ],
      length: 2,
      values: Float64Array.of(Number.NaN, 0, -0.022925, Number.NaN, 0.04, Number.NaN),
    });
  });

  it('reads quotes, commas in quotes, comments, capitals, tabs, Windows line ends and every numeric type', () => {
    const text =
      "% by hand\r\n@RELATION 'a b'\r\n@ATTRIBUTE 'my name' STRING\r\n@attribute\tx\tREAL\r\n@attribute y integer\r\n" +
      "@attribute \"it's\" {yes, no}\r\n@DATA\r\n% a row\r\n'dev, \\'1\\'', 1e-2 ,\t-3,yes\r\n";
    const { attributes, values } = parseArff(text, 'x.arff');
    expect(attributes.map(({ name }) => name)).toEqual(['my name', 'x', 'y', "it's"]);
    expect([...values]).toEqual([Number.NaN, 0.01, -3, Number.NaN]);
  });

  const head = '@relation a\n@attribute name string\n@attribute x numeric\n@data\n';
  it.each([
    ['a file without data', '@relation a\n@attribute x numeric\n', /no @data line/],
    ['a file without attributes', '@relation a\n@data\n1\n', /line 3: 1 values, but there are 0 attributes/],
    ['a table', 'time,x\n0,1\n', /line 1: "time,x" stands before @data/],
    ['an attribute without type', '@relation a\n@attribute x\n@data\n', /line 2: an @attribute needs/],
    ['a short row', `${head}a,1\nb\n`, /x\.arff, line 6: 1 values, but there are 2 attributes/],
    ['a word for a number', `${head}a,high\n`, /line 5, column x: "high", not a number/],
    ['an infinity', `${head}a,Infinity\n`, /line 5, column x: an infinity/],
    ['a sparse row', `${head}{1 3}\n`, /line 5: sparse rows/],
  ])('refuses %s, and says where', (_, text, message) => {
    expect(() => parseArff(text, 'x.arff')).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message) }),
    );
  });
});
