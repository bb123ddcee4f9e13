import { describe, expect, it } from 'vitest';
import { type Dataset, diagnose, type Finding, type Sequence, synthesize } from '../../lib/data/index.ts';

/** Eight sequences of 60 s at 25 Hz in four sessions, without fault. */
function clean(sizes: Record<string, number> = { audio: 6, video: 8 }): Dataset {
  const data = synthesize({ kind: 'lagged', seconds: 60, sequences: { train: 4, dev: 4, test: 0 }, sizes, seed: 3 });
  for (const [i, sequence] of data.sequences.entries()) sequence.session = `pair_${i >> 1}`;
  return data;
}

const of = (data: Dataset, kind: string) => diagnose(data).filter((finding) => finding.kind === kind);

/** The one finding after a change to the clean set; there is none of its kind before. */
function found(kind: string, change: (data: Dataset) => unknown, sizes?: Record<string, number>): Finding {
  const data = clean(sizes);
  expect(of(data, kind)).toEqual([]);
  change(data);
  const findings = of(data, kind);
  expect(findings).toHaveLength(1);
  expect(findings[0]?.do).not.toBe('');
  return findings[0]!;
}

/** Sets feature j of a modality to f(frame, value), in the sequences that `where` takes. */
function feature(
  data: Dataset,
  modality: string,
  j: number,
  f: (t: number, old: number, s: Sequence) => number,
  where: (s: Sequence) => boolean = () => true,
) {
  const size = data.modalities[modality]!.size;
  for (const sequence of data.sequences.filter(where)) {
    const values = sequence.features[modality]!;
    for (let t = 0; t < sequence.length; t++) values[t * size + j] = f(t, values[t * size + j]!, sequence);
  }
}

function gold(data: Dataset, column: number, f: (t: number, old: number) => number, ids?: readonly string[]) {
  for (const { id, targets } of data.sequences) {
    if (ids && !ids.includes(id)) continue;
    for (let i = column; i < targets!.length; i += 2) targets![i] = f(i >> 1, targets![i]!);
  }
}

const sequence = (data: Dataset, id: string) => data.sequences.find((one) => one.id === id)!;
const rows = (data: Dataset, id: string, modality: string, from: number, to: number) => {
  const { size } = data.modalities[modality]!;
  return sequence(data, id).features[modality]!.subarray(from * size, to * size);
};

describe('diagnose', () => {
  it('finds nothing in a clean set, nor for other scales', () => {
    expect(diagnose(clean())).toEqual([]);
    const data = clean();
    feature(data, 'audio', 2, (_, old) => 1e4 * old + 5e3);
    expect(diagnose(data)).toEqual([]);
  });

  it('is plain data, the gravest first', () => {
    const data = clean();
    sequence(data, 'dev_1').features = sequence(data, 'train_1').features;
    for (const one of data.sequences) one.session = one.id;
    gold(data, 0, (_, old) => 3 * old + 2);
    const findings = diagnose(data);
    expect(findings.map(({ severity }) => severity)).toEqual(['error', 'warning', 'note']);
    expect(JSON.parse(JSON.stringify(findings))).toEqual(findings);
  });
});

describe('diagnose: features', () => {
  it('missing frames: share and longest run', () => {
    const { severity, what, where } = found('missing-frames', (data) => {
      rows(data, 'dev_2', 'video', 100, 150).fill(Number.NaN);
      rows(data, 'dev_2', 'video', 400, 475).fill(Number.NaN);
    });
    expect([severity, where]).toEqual(['note', 'video']);
    expect(what).toBe('1.04 % of the frames are missing; the longest run is 3 s, dev_2 from 16 s');
    expect(of(withMissing(40), 'missing-frames')).toEqual([]);
  });

  it('a sequence without a single frame', () => {
    const finding = found('missing-frames', (data) => sequence(data, 'train_2').features.audio!.fill(Number.NaN));
    expect(finding).toMatchObject({ severity: 'warning', what: expect.stringContaining('; train_2 has none at all') });
  });

  it('frames of zeros that are likely missing, but not of indicators', () => {
    const { where, what, do: remedy } = found('zero-frames', (data) => rows(data, 'train_3', 'audio', 0, 250).fill(0));
    expect(where).toBe('audio');
    expect(what).toMatch(/exactly 0 in 2\.08 % .* 10 s, train_3 from 0 s$/);
    expect(remedy).toContain('NaN');
    const data = clean();
    for (let j = 0; j < 6; j++) feature(data, 'audio', j, (t) => (t % 500 > 100 + 10 * j ? 0 : 1));
    expect(of(data, 'zero-frames')).toEqual([]);
  });

  it('features that never change', () => {
    const finding = found('constant-feature', (data) => {
      feature(data, 'video', 3, () => 0);
      feature(data, 'video', 5, () => -7.5);
    });
    expect(finding).toMatchObject({ where: 'video, features 3, 5', what: '2 features of 8 never change' });
  });

  it('features that change between sequences only', () => {
    const finding = found('constant-within-sequences', (data) =>
      feature(data, 'audio', 4, (_, __, { id }) => id.length + Number(id.at(-1))),
    );
    expect(finding.where).toBe('audio, feature 4');
  });

  it('features that stay constant in single sequences', () => {
    const finding = found('constant-in-sequence', (data) => {
      feature(
        data,
        'audio',
        1,
        () => 2,
        ({ id }) => id === 'dev_3',
      );
      feature(
        data,
        'audio',
        2,
        () => 2,
        ({ id }) => id === 'dev_3',
      );
      feature(
        data,
        'audio',
        2,
        () => 3,
        ({ id }) => id === 'dev_4',
      );
    });
    expect(finding).toMatchObject({ severity: 'note', where: 'audio' });
    expect(finding.what).toContain('in 2 sequences (dev_3: 2 of 6, dev_4: 1 of 6)');
  });

  it.each([
    ['seconds', (t: number) => t / 25],
    ['milliseconds', (t: number) => 40 * t + 1e6],
    ['frame numbers', (t: number) => t + 1],
  ])('a clock among the features: %s', (_, clock) => {
    expect(found('clock-feature', (data) => feature(data, 'video', 0, clock)).where).toBe('video, feature 0');
  });

  it('features that repeat another', () => {
    const finding = found('duplicate-features', (data) => {
      for (const { features, length } of data.sequences) {
        for (let t = 0; t < length; t++) features.video![t * 8 + 6] = features.video![t * 8 + 2]!;
      }
    });
    expect(finding).toMatchObject({ where: 'video, feature 6', what: '1 feature of 8 repeats another one (6 is 2)' });
    // Once different, no longer.
    const data = clean();
    for (const { features, length } of data.sequences) {
      for (let t = 0; t < length; t++) features.video![t * 8 + 6] = features.video![t * 8 + 2]!;
    }
    data.sequences.at(-1)!.features.video![6]! += 1;
    expect(of(data, 'duplicate-features')).toEqual([]);
  });

  it('drift of mean and spread between partitions, the worst first, as worked out anew', () => {
    const inDev = ({ partition }: Sequence) => partition === 'dev';
    const change = (data: Dataset) => {
      feature(data, 'audio', 1, (_, old) => old + 8, inDev);
      feature(data, 'audio', 5, (_, old) => 4 * old, inDev);
    };
    const { where, what } = found('drift', change);
    expect(where).toBe('audio, dev beside train');
    expect(what).toMatch(/^2 of 6 features .*\(1: mean \+\d.* sd, sd x .*, 5: mean .* sd, sd x [34]/);
    const data = clean();
    change(data);
    const pooled = (partition: string) => {
      const values = data.sequences.flatMap((s) =>
        s.partition === partition ? [...s.features.audio!].filter((_, i) => i % 6 === 1) : [],
      );
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
    };
    const [train, dev] = [pooled('train'), pooled('dev')];
    const expected = (dev.mean - train.mean) / Math.sqrt((train.variance + dev.variance) / 2);
    expect(what).toContain(`1: mean +${Number(expected.toPrecision(3))} sd`);
  });

  it.each([
    ['audio', 89, /eGeMAPS has 88/],
    ['audio', 6374, /ComParE 2016 has 6373/],
    ['egemaps_lld', 13, /before 2\.0\.0 gave 10 as they are and 13 as deltas/],
    ['face', 714, /OpenFace writes 709/],
  ])('%s of %i features', (modality, size, what) => {
    const sequences = { train: 1, dev: 1, test: 0 };
    const data = synthesize({ seconds: 4, sequences, sizes: { audio: size } });
    const renamed = {
      ...data,
      modalities: { [modality]: { size } },
      sequences: data.sequences.map((one) => ({ ...one, features: { [modality]: one.features.audio! } })),
    };
    expect(of(renamed, 'column-count')[0]).toMatchObject({ where: modality, what: expect.stringMatching(what) });
  });

  it.each([13, 24, 64, 88, 128, 130, 512, 709, 6373])('says nothing of %i features as such', (size) => {
    const data = synthesize({ seconds: 4, sequences: { train: 1, dev: 0, test: 0 }, sizes: { audio: size } });
    expect(of(data, 'column-count')).toEqual([]);
  });

  function withMissing(frames: number): Dataset {
    const data = clean();
    rows(data, 'dev_2', 'video', 100, 100 + frames).fill(Number.NaN);
    return data;
  }
});

describe('diagnose: sequences', () => {
  it('a recording that is in train and in dev', () => {
    const finding = found('leak', (data) => {
      sequence(data, 'dev_3').features = structuredClone(sequence(data, 'train_2').features);
    });
    expect(finding).toMatchObject({ severity: 'error', where: 'sequences train_2 (train) and dev_3 (dev)' });
  });

  it('raters of train that were weighed on what is scored', () => {
    const weighed = (ids: string[]) => (data: Dataset) => {
      sequence(data, 'train_1').goldWeights = ids;
      sequence(data, 'dev_3').goldWeights = ['dev_3'];
    };
    expect(found('gold-leak', weighed(['train_1', 'dev_2'])).what).toMatch(/of dev and test \(dev_2\)/);
    const data = clean();
    weighed(['train_1'])(data);
    expect(of(data, 'gold-leak')).toEqual([]);
  });

  it('a recording that counts twice', () => {
    const change = (data: Dataset) => {
      sequence(data, 'train_4').features = structuredClone(sequence(data, 'train_2').features);
    };
    expect(found('duplicate-sequence', change).where).toBe('sequences train_2 (train) and train_4 (train)');
    // One modality alone may be the same: two people before one microphone.
    const data = clean();
    sequence(data, 'train_4').features.audio = sequence(data, 'train_2').features.audio!;
    expect(of(data, 'duplicate-sequence')).toEqual([]);
  });

  it('a session that two partitions share', () => {
    const finding = found('shared-session', (data) => {
      sequence(data, 'dev_1').session = sequence(data, 'train_1').session;
    });
    expect(finding).toMatchObject({ where: 'sessions pair_0', what: expect.stringContaining('(train, dev)') });
  });

  it('no sessions at all', () => {
    const finding = found('no-sessions', (data) => {
      for (const one of data.sequences) one.session = one.id;
    });
    expect(finding).toMatchObject({ severity: 'note', what: expect.stringContaining('independent') });
  });
});

describe('diagnose: gold', () => {
  it('beyond [-1, 1]', () => {
    const finding = found('gold-range', (data) => gold(data, 1, (t, old) => (t === 9 ? 4.25 : old), ['dev_2']));
    expect(finding).toMatchObject({ where: 'gold, valence' });
    expect(finding.what).toMatch(/^goes from -\S+ to 4\.25, outside \[-1, 1\] in 1 sequence \(dev_2\)$/);
  });

  it('that never changes in a sequence', () => {
    const finding = found('gold-constant', (data) => gold(data, 0, () => 0.25, ['dev_1', 'train_1']));
    expect(finding).toMatchObject({
      where: 'gold, arousal',
      what: expect.stringContaining('2 sequences (train_1, dev_1)'),
    });
  });

  it('that keeps its values for long, with the chunk to take', () => {
    const finding = found('slow-gold', (data) => {
      gold(data, 0, (t) => Math.sin(Math.floor(t / 50)));
    });
    expect(finding).toMatchObject({ severity: 'note', where: 'gold, arousal' });
    // 1499 pairs a sequence, 29 changes.
    expect(finding.what).toContain('keeps a value for 51.7 frames (2.07 s)');
    expect(finding.do).toContain('--chunk 42s');
  });

  it('without labels for a while', () => {
    const finding = found('unlabelled', (data) => {
      gold(data, 1, (t, old) => (t >= 500 && t < 575 ? Number.NaN : old), ['train_4']);
    });
    expect(finding).toMatchObject({ where: 'gold, valence', severity: 'note' });
    expect(finding.what).toBe('0.625 % of the frames have no value; the longest run is 3 s, train_4 from 20 s');
  });

  it('is not missed where a test set has none', () => {
    const data = clean();
    Object.assign(sequence(data, 'dev_4'), { partition: 'test', targets: null });
    sequence(data, 'dev_4').session = 'pair_9';
    expect(of(data, 'unlabelled')).toEqual([]);
  });
});
