import type { Dataset, Sequence } from './dataset.ts';
import { type Finding, some } from './finding.ts';

/** Sequences that are there twice, sessions that two partitions share or none has, raters weighed on what is scored. */
export function diagnoseSequences(dataset: Dataset): Finding[] {
  return [...doubled(dataset), ...sharedSessions(dataset), ...noSessions(dataset), ...weighedOnHeld(dataset)];
}

function doubled({ sequences }: Dataset): Finding[] {
  const pairs = equalPairs(sequences);
  return pairs.map(([a, b]) => {
    const leak = a.partition !== b.partition;
    const where = `sequences ${a.id} (${a.partition}) and ${b.id} (${b.partition})`;
    const what = leak
      ? 'have the same features: what is learnt from one is scored on the other'
      : 'have the same features: this recording counts twice';
    return {
      severity: leak ? 'error' : 'warning',
      kind: leak ? 'leak' : 'duplicate-sequence',
      where,
      what,
      do: 'look which of the files was written by mistake, and take one of the sequences out',
    };
  });
}

/** Each sequence with the first that has the same features in all modalities. */
function equalPairs(sequences: readonly Sequence[]): [Sequence, Sequence][] {
  const met = new Map<string, Sequence[]>();
  const pairs: [Sequence, Sequence][] = [];
  for (const sequence of sequences) {
    const arrays = Object.values(sequence.features);
    if (arrays.every((values) => values.every(Number.isNaN))) continue;
    const key = `${sequence.length} ${arrays.map(hash).join(' ')}`;
    const alike = met.get(key) ?? [];
    const first = alike.find((other) => sameFeatures(other, sequence));
    if (first) pairs.push([first, sequence]);
    else met.set(key, [...alike, sequence]);
  }
  return pairs;
}

function sameFeatures(a: Sequence, b: Sequence): boolean {
  return Object.entries(a.features).every(([modality, values]) =>
    bytesOf(values).equals(bytesOf(b.features[modality]!)),
  );
}

function bytesOf(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

function hash(values: Float32Array): number {
  return new Uint32Array(values.buffer, values.byteOffset, values.length).reduce((sum, bits) => {
    const mixed = Math.imul(sum ^ bits, 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }, values.length);
}

function sharedSessions({ sequences }: Dataset): Finding[] {
  const partitions = new Map<string, Set<string>>();
  for (const { session, partition } of sequences) {
    partitions.set(session, (partitions.get(session) ?? new Set()).add(partition));
  }
  const shared = [...partitions].filter(([, parts]) => parts.size > 1);
  if (shared.length === 0) return [];
  const parts = [...new Set(shared.flatMap(([, some]) => [...some]))].join(', ');
  return [
    {
      severity: 'warning',
      kind: 'shared-session',
      where: `sessions ${some(shared.map(([session]) => session))}`,
      what: `lie in several partitions (${parts}): scores there are of people or rooms that training has met`,
      do: 'keep all sequences of a session in one partition',
    },
  ];
}

function noSessions({ sequences }: Dataset): Finding[] {
  if (sequences.length < 2 || sequences.some(({ id, session }) => id !== session)) return [];
  return [
    {
      severity: 'note',
      kind: 'no-sessions',
      where: 'sequences',
      what: 'each is a session of its own: intervals, tests and cross-validation take all of them as independent',
      do: 'give sequences that share people or a room, such as the two sides of a dialogue, the same session',
    },
  ];
}

function weighedOnHeld({ sequences }: Dataset): Finding[] {
  const held = sequences.filter(({ partition }) => partition === 'dev' || partition === 'test').map(({ id }) => id);
  const taught = sequences.filter(({ id }) => !held.includes(id)).flatMap(({ goldWeights = [] }) => goldWeights);
  const seen = held.filter((id) => taught.includes(id));
  if (seen.length === 0) return [];
  return [
    {
      severity: 'warning',
      kind: 'gold-leak',
      where: 'gold of train',
      what: `its raters were weighed on the ratings of sequences of dev and test (${some(seen)}) too`,
      do: 'weigh raters on sequences of train alone (`data gold --weigh-on`)',
    },
  ];
}
