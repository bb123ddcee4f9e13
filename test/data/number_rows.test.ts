import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFeatureArray } from '../../lib/data/arrays.ts';
import { parseCell, parseNumberTable, parseTextTable, readNumberTable } from '../../lib/data/csv.ts';
import { visitNumberRows } from '../../lib/data/number_rows.ts';
import { random } from '../../lib/random.ts';
import { folder } from './folder.ts';

/** The same table by csv-parse alone. */
function reference(text: string, delimiter: string) {
  const { header, rows, lines } = parseTextTable(text, 'x.csv', delimiter);
  const values = rows.flatMap((cells, i) => cells.map((cell, c) => parseCell(cell, 'x.csv', lines[i]!, header[c]!)));
  return { header, length: rows.length, values: Float64Array.from(values), lines };
}

/** Tables of odd cells: blanks, quotes, missing ones, empty lines, line ends of every kind. */
function oddTable(seed: number, delimiter: string, rows: number): string {
  const draw = random(seed, 3);
  const pick = <T>(...of: T[]) => of[Math.floor(draw.uniform() * of.length)]!;
  const digits = () => String(Math.floor(draw.uniform() * 10 ** pick(1, 3, 9, 15)));
  const number = () =>
    pick('', '-', '+') +
    pick(digits(), `${digits()}.`, `.${digits()}`, `${digits()}.${digits()}`) +
    pick('', '', '', `e${pick('', '-', '+')}${Math.floor(draw.uniform() * 30)}`, 'E5');
  const cell = () => pick(number(), number(), number(), '', 'NaN', 'nan', 'NAN', `"${number()}"`, '""');
  const padded = () => pick('', '', ' ', '  ') + cell() + pick('', '', ' ');
  const end = pick('\n', '\r\n', '\r');
  const width = pick(1, 2, 5);
  const row = (_: unknown, i: number) => (i > 0 && draw.uniform() < 0.1 ? pick('', '  ') : line(width, padded));
  const line = (count: number, make: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => make(i)).join(delimiter);
  const head = line(width, (i) => pick(`a${i}`, ` a${i}`, `"a${i}${delimiter}"`, `"a""${i}"`));
  return pick('', '\uFEFF') + [head, ...Array.from({ length: rows }, row)].join(end) + pick('', end, end + end);
}

describe('number tables', () => {
  it.each([',', ';', '\t', '||'])('are what csv-parse makes of them, with %j between the cells', (delimiter) => {
    for (let seed = 0; seed < 150; seed++) {
      const text = oddTable(seed, delimiter, 20);
      expect(parseNumberTable(text, 'x.csv', delimiter), JSON.stringify(text)).toEqual(reference(text, delimiter));
    }
  });

  it('are the same from a file of several chunks, whatever falls on their edges', async () => {
    const path = join(await folder(), 'x.csv');
    for (const end of ['\n', '\r\n', '\r']) {
      const rows = Array.from({ length: 60_000 }, (_, i) => `${i / 25},${Math.sin(i)}${i % 1000 ? '' : `${end} `}`);
      const text = ['time,a', ...rows].join(end);
      expect(text.length).toBeGreaterThan(1 << 20);
      await writeFile(path, text);
      expect(await readNumberTable(path)).toEqual(parseNumberTable(text, path));
    }
  });

  it('take rows that are longer than a chunk', async () => {
    const path = join(await folder(), 'x.csv');
    const numbers = Array.from({ length: 20_000 }, (_, i) => i / 8);
    const cells = numbers.map((value) => value.toFixed(70));
    expect(cells.join().length).toBeGreaterThan(1 << 20);
    await writeFile(path, `${numbers.map((i) => `f${i}`).join(',')}\n${cells.join(',')}\n`);
    const { length, values } = await readNumberTable(path);
    expect(length).toBe(1);
    expect(values).toEqual(Float64Array.from(numbers));
  });

  it('hold numbers to the last bit', () => {
    const draw = random(5, 3);
    const bits = new DataView(new ArrayBuffer(8));
    const texts = ['9007199254740993', '9007199254740991e22', '1e23', '1e-23', '4.9e-324', '-0', '0e999', '-0.0e-5'];
    texts.push(
      '123456789012345678901234567890',
      '0.000000000000000000000000000001',
      '1.7976931348623157e308',
      '8.5e22',
    );
    for (let i = 0; i < 20_000; i++) {
      bits.setFloat64(0, draw.normal() * 10 ** (40 * draw.uniform() - 20));
      if (i % 4 === 0) bits.setUint32(0, Math.floor(draw.uniform() * 2 ** 32));
      const value = bits.getFloat64(0);
      if (!Number.isFinite(value)) continue;
      texts.push(String(value), value.toPrecision(1 + (i % 21)), value.toExponential(i % 20));
      if (Math.abs(value) < 1e20) texts.push(value.toFixed(i % 30));
    }
    const { values } = parseNumberTable(`a\n${texts.join('\n')}\n`, 'x.csv');
    const wrong = texts.filter((text, i) => !Object.is(values[i], Number(text)));
    expect(wrong).toEqual([]);
  });

  it('name the line of an error far down in a file, in quotes or not', async () => {
    const path = join(await folder(), 'x.csv');
    const rows = Array.from({ length: 200_000 }, (_, i) => `${i},"${i}"`);
    rows[150_000] = '1,-';
    await writeFile(path, `time,a\n\n${rows.join('\n')}\n`);
    await expect(readNumberTable(path)).rejects.toThrow(`${path}, line 150003, column a: "-", not a number`);
    rows[150_000] = '1,"2" 3';
    await writeFile(path, `time,a\n\n${rows.join('\n')}\n`);
    await expect(readNumberTable(path)).rejects.toThrow(/x\.csv is not a table: line 150003: /);
  });

  it('give up on a quote that never ends before it fills the memory', async () => {
    const path = join(await folder(), 'x.csv');
    const file = await open(path, 'w');
    await file.write('time,a\n0,"1\n');
    await file.truncate(200 << 20);
    await file.close();
    await expect(readNumberTable(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('the row that begins in line 2 takes more than 64 MiB'),
    });
  });

  it('report a file that is not there, and a folder, as such', async () => {
    const path = await folder();
    await expect(readNumberTable(join(path, 'x.csv'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readNumberTable(path)).rejects.toThrow(/Cannot read .*EISDIR/);
  });
});

describe('the memory of reading a .csv', () => {
  /** 64 MiB: 88 features and a time of 10 Hz. */
  async function largeFile(): Promise<{ path: string; rows: number }> {
    const path = join(await folder(), 'x.csv');
    const file = await open(path, 'w');
    const names = Array.from({ length: 88 }, (_, i) => `f${i}`);
    await file.write(`time,${names.join(',')}\n`);
    const features = names.map((_, i) => (Math.sin(i) / 3).toFixed(6)).join(',');
    let [bytes, rows] = [0, 0];
    while (bytes < 64 << 20) {
      const lines = Array.from({ length: 1000 }, () => `${(rows++ / 10).toFixed(1)},${features}\n`).join('');
      bytes += (await file.write(lines)).bytesWritten;
    }
    await file.close();
    return { path, rows };
  }

  /** MiB of this process beyond what it has already. */
  function growth() {
    const before = process.memoryUsage.rss();
    let most = before;
    return {
      look: () => {
        most = Math.max(most, process.memoryUsage.rss());
      },
      mebibytes: () => (most - before) / 2 ** 20,
    };
  }

  it('is a few chunks for the rows, and the array itself for features', async () => {
    const { path, rows } = await largeFile();
    const passing = growth();
    let met = 0;
    await visitNumberRows(path, ',', { header() {}, row: () => ++met % 500 === 0 && passing.look() });
    expect(met).toBe(rows);
    expect(passing.mebibytes()).toBeLessThan(32);

    const reading = growth();
    const timer = setInterval(reading.look, 5);
    const values = await readFeatureArray({ path, label: 'sequence a, audio', rate: 10 }, rows, 88);
    clearInterval(timer);
    reading.look();
    expect(values).toHaveLength(rows * 88);
    expect(values.at(-1)).toBe(Math.fround(Number((Math.sin(87) / 3).toFixed(6))));
    expect(reading.mebibytes()).toBeLessThan(values.byteLength / 2 ** 20 + 32);
  });
});
