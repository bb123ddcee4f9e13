import { describe, expect, it } from 'vitest';
import { Columns, Device, Graph, Program, Store, schedule } from '../../lib/graph/index.ts';
import { type Checkpoint, readCheckpoint, sizesOf } from '../../lib/models/checkpoint.ts';
import { buildStream, columnFrames } from '../../lib/models/network.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { expectClose, goldenArrays, goldenJson, goldenPath } from './golden.ts';

const TOLERANCE = 2e-6;
const OUTPUTS = ['h', 'y', 'attention'] as const;
type Output = (typeof OUTPUTS)[number];

const { cases, lengths } = await goldenJson<{ cases: string[]; lengths: number[] }>('forward');
const expected = await goldenArrays('forward');
const longest = Math.max(...lengths);

/** The first stream's outputs over the golden sequences, side by side in two lanes: [time, width] of each. */
async function outputs(
  checkpoint: Checkpoint,
  chunk: number,
): Promise<(output: Output, sequence: number) => Float32Array> {
  using device = new Device({ threads: 1 });
  using columns = new Columns(device, lengths);
  const sizes = sizesOf(checkpoint);
  for (const [modality, size] of Object.entries(sizes)) {
    columns.add(modality, size);
    lengths.forEach((_, i) => {
      columns.write(modality, i, expected(`${i}.${modality}`));
    });
  }
  const graph = new Graph({ replicas: 1, lanes: lengths.length, chunk });
  const network = { outputs: checkpoint.targets.length, sizes, dropout: 0, trainable: false };
  const stream = buildStream(graph, columnFrames(graph, columns), checkpoint.model.streams[0]!, network);
  for (const output of OUTPUTS) {
    if (stream[output]) scatter(graph, columns, output, stream[output]);
  }
  using store = Store.for(device, graph);
  for (const { spec } of store.segments) store.write(spec.name, 0, checkpoint.tensors.get(spec.name)!);
  using program = new Program(device, graph, store);
  await program.run(schedule([0, 1], lengths, lengths.length, chunk), { columns });
  const values = new Map(
    OUTPUTS.filter((output) => columns.has(output)).map((output) => [
      output,
      lengths.map((_, i) => columns.read(output, i)),
    ]),
  );
  return (output, sequence) => values.get(output)![sequence]!;
}

describe.each(cases)('the network %s', (name) => {
  it('computes what PyTorch computes, frame by frame, over whole sequences', async () => {
    const checkpoint = await readCheckpoint(goldenPath(`forward_${name}.safetensors`));
    const found = await outputs(checkpoint, longest);
    const attends = checkpoint.model.streams[0]!.window !== null;
    for (const output of attends ? OUTPUTS : OUTPUTS.slice(0, 2)) {
      lengths.forEach((_, i) => {
        expectClose(found(output, i), expected(`${name}.${i}.${output}`), TOLERANCE);
      });
    }
  });
});

describe.each(cases.filter((name) => name !== 'lstm_bidirectional'))('the network %s', (name) => {
  it('gives the same bits in chunks, with windows that reach over their edges', async () => {
    const checkpoint = await readCheckpoint(goldenPath(`forward_${name}.safetensors`));
    const [whole, chunked] = [await outputs(checkpoint, longest), await outputs(checkpoint, 10)];
    lengths.forEach((_, i) => {
      expect(chunked('h', i)).toEqual(whole('h', i));
      expect(chunked('y', i)).toEqual(whole('y', i));
    });
  });
});

describe('the golden networks with a window', () => {
  it('attend sharply enough that a wrong weight would show', () => {
    const weights = expected('attention_odd.0.attention');
    expect(Math.max(...weights)).toBeGreaterThan(0.5);
  });
});
