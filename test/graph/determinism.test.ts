import { describe, expect, it } from 'vitest';
import { Device, differentiate, Graph, Program, singleChunk, type Value } from '../../lib/graph/index.ts';
import { binding } from '../../lib/native.ts';
import { attentiveLstm } from '../../lib/ops/attentive_lstm.ts';
import { linear } from '../../lib/ops/linear.ts';
import { lstm } from '../../lib/ops/lstm.ts';
import { expectClose } from '../ops/comparison.ts';
import { normal, random } from '../ops/generator.ts';
import { lengths, predict, type Setting, type Trained, train } from './network.ts';

async function trained(
  options: { threads?: number; isa?: string },
  setting: Omit<Setting, 'device'> = {},
): Promise<Trained[]> {
  using device = new Device({ threads: 1, ...(options.isa ? { device: 'cpu' } : {}), ...options });
  return await train({ ...setting, device });
}

describe.each([false, true])(
  'training, every operator at once, bidirectional: %s, ends with the same bits',
  (bidirectional) => {
    const base = trained({}, { bidirectional });

    it('run to run', async () => {
      const [one] = await base;
      expect(await trained({}, { bidirectional })).toEqual([one]);
      expect(one!.parameters.every(Number.isFinite)).toBe(true);
      expect(one!.parameters.some((value) => value !== 0)).toBe(true);
    });

    it.each([2, 3, 5])('on %i threads', async (threads) => {
      expect(await trained({ threads }, { bidirectional })).toEqual(await base);
    });

    it('alone and among replicas: replica r is the run of seed + r', async () => {
      const together = await trained({ threads: 2 }, { bidirectional, replicas: 3 });
      for (const [r, replica] of together.entries()) {
        const [alone] = await trained({}, { bidirectional, seed: 5 + r });
        expect(replica, `replica ${r}`).toEqual(alone);
      }
      expect(together[0]!.parameters).not.toEqual(together[1]!.parameters);
    });
  },
);

describe('gradients over several slabs of rows and blocks of lanes have the same bits', () => {
  const size = { lanes: 25, chunk: 100, width: 18, hidden: 9 };
  const layer = (inputs: number) => [
    [4 * size.hidden, inputs],
    [4 * size.hidden, size.hidden],
    [4 * size.hidden],
    [4 * size.hidden],
  ];

  /** Everything that an lstm, an attentive_lstm and a linear layer give back, of each replica; x is shared by all. */
  function gradients(threads: number, seeds: number[]): Float32Array[][] {
    using device = new Device({ threads });
    const graph = new Graph({ replicas: seeds.length, lanes: size.lanes, chunk: size.chunk });
    const x = graph.value('f32', [size.chunk, size.lanes, size.width], { replicated: false });
    const v = graph.value('f32', [size.chunk + 4, size.lanes, size.width], { replicated: false });
    const values = (dims: number[][]) => dims.map((d) => graph.value('f32', d));
    const lists = [
      ...layer(size.width),
      ...layer(size.hidden),
      ...layer(size.width),
      [size.hidden, size.width],
      [3, 9],
      [3],
    ];
    const weights = values(lists);
    const layerOf = (at: number) => {
      const [weightIh, weightHh, biasIh, biasHh] = weights.slice(at, at + 4) as [Value, Value, Value, Value];
      return { weightIh, weightHh, biasIh, biasHh };
    };
    const options = { hidden: size.hidden, layers: 1, left: 2, right: 2, attention: 'gdp' } as const;
    const deep = lstm(graph, x, [layerOf(0), layerOf(4)], { hidden: size.hidden, layers: 2, dropout: 0.3 });
    const seen = attentiveLstm(graph, v, null, weights[12]!, [layerOf(8)], options);
    const outs = [linear(graph, deep.y, weights[13]!, weights[14]!), seen.y];
    const upstream = values(outs.map((y) => [...y.dims]));
    const wanted = differentiate(
      graph,
      outs.map((y, i) => [y, upstream[i]!]),
      [...weights, deep.y],
    );
    using program = new Program(device, graph);
    for (const value of [x, v])
      program.write(
        value,
        normal(
          random(9, value.id),
          value.dims.reduce((a, b) => a * b),
        ),
      );
    for (const [r, seed] of seeds.entries()) {
      for (const value of [...weights, ...upstream]) {
        program.write(
          value,
          normal(
            random(seed, value.id),
            value.dims.reduce((a, b) => a * b),
            0.3,
          ),
          r,
        );
      }
    }
    const frames = Array.from({ length: size.lanes }, (_, lane) => size.chunk - lane * 2);
    program.runSync(singleChunk(frames), { settings: { seed: Uint32Array.from(seeds) } });
    return seeds.map((_, r) => [...outs, ...wanted.values()].map((value) => program.readFloats(value, r)));
  }

  const [base] = gradients(1, [70]) as [Float32Array[]];

  it.each([2, 3, 4, 7])('on %i threads', (threads) => {
    expect(gradients(threads, [70])).toEqual([base]);
  });

  it.each([1, 2, 3])('among replicas on %i threads', (threads) => {
    const [first, second] = gradients(threads, [69, 70]);
    expect(second).toEqual(base);
    expect(first).not.toEqual(base);
  });
});

const available = binding()
  .instructionSets()
  .filter((set) => set.available)
  .map((set) => set.name);

describe.each(available)('on %s, a pass over sequences, for streams that run forward only,', (isa) => {
  const device = new Device({ device: 'cpu', threads: 2, isa });
  const whole = predict({ device });

  it.each([1, 2, 7, 16, 60])('in chunks of %i equals the whole, bit for bit', (chunk) => {
    expect(predict({ device, chunk })).toEqual(whole);
  });

  it.each([2, 3, 6, 9])('on %i lanes equals the pass on one, bit for bit', (lanes) => {
    expect(predict({ device, lanes, chunk: 9 })).toEqual(whole);
  });

  it('of one sequence does not depend on the others', () => {
    for (const s of lengths.keys()) {
      const alone = predict({ device, chunk: 13 }, [s]);
      for (const name of ['heard', 'seen', 'y'] as const) expect(alone[name][0], name).toEqual(whole[name][s]);
    }
  });
});

describe('instruction sets', () => {
  /** Whether the processor runs them all; says so aloud when not. */
  const runs = (...names: string[]) => {
    const missing = names.filter((name) => !available.includes(name));
    if (missing.length > 0) console.warn(`skipped: this processor does not run ${missing.join(', ')}`);
    return missing.length === 0;
  };

  const on = (isa: string) => {
    using device = new Device({ device: 'cpu', threads: 2, isa });
    expect(device.description).toBe(isa);
    return predict({ device, lanes: 3, chunk: 20 });
  };

  it.runIf(runs('avx2'))('avx2 is within 1e-5 of the scalar baseline', () => {
    expectPredictionsClose(on('avx2'), on('scalar'));
  });

  it.runIf(runs('avx512'))('avx512 is within 1e-5 of the scalar baseline', () => {
    expectPredictionsClose(on('avx512'), on('scalar'));
  });

  it.runIf(runs('avx2', 'avx512'))('avx512 gives the bits of avx2, in prediction and in training', async () => {
    expect(on('avx512')).toEqual(on('avx2'));
    for (const bidirectional of [false, true]) {
      expect(await trained({ isa: 'avx512' }, { bidirectional })).toEqual(
        await trained({ isa: 'avx2' }, { bidirectional }),
      );
    }
  });

  it.runIf(runs('avx2'))('one step of training on avx2 is within 1e-5 of the scalar baseline', async () => {
    const step = (isa: string) => trained({ isa }, { epochs: 1, chunk: 100, lanes: 6 });
    const [[fast], [plain]] = [await step('avx2'), await step('scalar')] as [[Trained], [Trained]];
    expectClose('moments', { moments: [fast.moments, plain.moments] });
    expectClose('totals', { totals: [fast.totals, plain.totals] });
  });

  it.runIf(runs('avx2-bf16'))('bfloat16 products are near the exact ones, and only there on request', () => {
    const rounded = on('avx2-bf16');
    const exact = on('avx2');
    let worst = 0;
    for (const s of lengths.keys()) {
      rounded.y[s]!.forEach((value, i) => {
        worst = Math.max(worst, Math.abs(value - exact.y[s]![i]!));
      });
    }
    expect(worst).toBeGreaterThan(1e-5);
    expect(worst).toBeLessThan(1e-2);
    using asked = new Device({ device: 'cpu,bf16', threads: 1 });
    expect(asked.description).toMatch(/-bf16$/);
    expect(asked.name).toBe('cpu');
    using plain = new Device({ device: 'cpu', threads: 1 });
    expect(plain.description).not.toMatch(/bf16/);
    using avx2 = new Device({ device: 'cpu,bf16', threads: 1, isa: 'avx2' });
    expect(avx2.options).toEqual({ device: 'cpu', threads: 1, isa: 'avx2-bf16', scratch: undefined });
    expect(() => new Device({ device: 'cpu,bf16', isa: 'scalar' })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining('scalar-bf16') }),
    );
  });

  function expectPredictionsClose(actual: ReturnType<typeof predict>, expected: ReturnType<typeof predict>): void {
    for (const name of ['heard', 'seen', 'y'] as const) {
      for (const s of lengths.keys()) expectClose({ name, s }, { values: [actual[name][s]!, expected[name][s]!] });
    }
  }
});
