import { describe, expect, it } from 'vitest';
import { Device } from '../../lib/graph/index.ts';
import { binding } from '../../lib/native.ts';
import { expectClose } from '../ops/comparison.ts';
import { lengths, predict, type Setting, type Trained, train } from './network.ts';

async function trained(
  options: { threads?: number; isa?: string },
  setting: Omit<Setting, 'device'> = {},
): Promise<Trained[]> {
  using device = new Device({ threads: 1, ...options });
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

describe('a pass over sequences, for streams that run forward only', () => {
  const device = new Device({ threads: 2 });
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
  const sets = binding().instructionSets();
  const available = new Map(sets.map(({ name, available }) => [name, available]));

  /** Whether the processor runs them all; says so aloud when not. */
  const runs = (...names: string[]) => {
    const missing = names.filter((name) => !available.get(name));
    if (missing.length > 0) console.warn(`skipped: this processor does not run ${missing.join(', ')}`);
    return missing.length === 0;
  };

  const on = (isa: string) => {
    using device = new Device({ threads: 2, isa });
    expect(device.isa).toBe(isa);
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

  function expectPredictionsClose(actual: ReturnType<typeof predict>, expected: ReturnType<typeof predict>): void {
    for (const name of ['heard', 'seen', 'y'] as const) {
      for (const s of lengths.keys()) expectClose({ name, s }, { values: [actual[name][s]!, expected[name][s]!] });
    }
  }
});
