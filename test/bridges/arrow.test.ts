import * as arrow from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { curvesTable, featuresTable, tableFeatures, tableRows } from '../../lib/bridges/arrow.ts';
import { synthesize } from '../../lib/index.ts';

const data = synthesize({ seconds: 4, sequences: { train: 1, selection: 0, dev: 0, test: 0 } });
const recording = data.sequences[0]!;
const { size } = data.modalities.audio!;
recording.features.audio!.fill(Number.NaN, 20 * size, 25 * size);

/** As it comes from another program. */
function sent(table: arrow.Table): arrow.Table {
  return arrow.tableFromIPC(arrow.tableToIPC(table));
}

describe('features', () => {
  it('come back from a table as they were, missing frames too', () => {
    for (const modality of Object.keys(data.modalities)) {
      const table = sent(featuresTable(recording, modality, data.rate));
      expect(table.numRows).toBe(recording.length);
      expect(tableFeatures(table)).toEqual(recording.features[modality]);
      expect(table.getChildAt(1)!.nullCount).toBe(modality === 'audio' ? 5 : 0);
    }
  });

  it('have the clock and the names they are given', () => {
    const names = Array.from({ length: size }, (_, i) => `f${i}`);
    const table = featuresTable(recording, 'audio', data.rate, names);
    expect(table.schema.fields.map(({ name }) => name)).toEqual(['time', ...names]);
    expect(table.getChild('time')!.get(10)).toBe(10 / data.rate);
    const frame = tableFeatures(table, { columns: ['f3', 'f1'] }).slice(0, 2);
    expect([...frame]).toEqual([recording.features.audio![3], recording.features.audio![1]]);
    expect(() => featuresTable(recording, 'audio', data.rate, ['one'])).toThrow(/there are 1 names/);
    expect(() => featuresTable(recording, 'face', data.rate)).toThrow(/no modality 'face'/);
  });
});

describe('curves', () => {
  it('come back from a table as they were', () => {
    const values = Float64Array.from(recording.targets!);
    values[3] = Number.NaN;
    const table = sent(curvesTable({ targets: data.targets, values, rate: data.rate }));
    const rows = tableRows(table);
    expect(rows).toMatchObject({ names: data.targets, length: recording.length });
    expect(rows.values).toEqual(values);
    expect(rows.times![25]).toBe(25 / data.rate);
  });
});

describe('a table of somebody else', () => {
  const table = (columns: Record<string, unknown>) => arrow.tableFromArrays(columns as never) as unknown as arrow.Table;

  it('may hold whole numbers, of 64 bits too, and no times', () => {
    const rows = tableRows(table({ a: Int16Array.of(1, 2), b: BigInt64Array.of(3n, 4n) }));
    expect([...rows.values]).toEqual([1, 3, 2, 4]);
    expect(rows.times).toBeNull();
  });

  it('has a missing frame where any feature is missing', () => {
    const features = tableFeatures(table({ a: Float32Array.of(1, Number.NaN), b: Float32Array.of(3, 4) }));
    expect([...features]).toEqual([1, 3, Number.NaN, Number.NaN]);
  });

  it.each<[string, Record<string, unknown>, object, RegExp]>([
    ['a column of text', { a: ['x', 'y'] }, {}, /column 'a' is of .*, expected numbers/],
    ['a column that is not there', { a: Float32Array.of(1) }, { columns: ['b'] }, /no column 'b'; there is a/],
    ['nothing beside times', { time: Float64Array.of(0, 1) }, {}, /no column beside time/],
    ['times that do not ascend', { time: Float64Array.of(0, 0), a: Float32Array.of(1, 2) }, {}, /not at row 1/],
    ['an infinite feature', { a: Float32Array.of(1, Number.POSITIVE_INFINITY) }, {}, /column a, row 1 is infinite/],
  ])('is refused with %s', (_, columns, options, message) => {
    expect(() => tableFeatures(table(columns), options)).toThrow(
      expect.objectContaining({ code: 'ERR_DATA', message: expect.stringMatching(message) }),
    );
  });
});
