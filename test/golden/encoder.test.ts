import { describe, expect, it } from 'vitest';
import { Columns, Device, differentiate, Graph, Program, Store, schedule } from '../../lib/graph/index.ts';
import { type Checkpoint, readCheckpoint, sizesOf } from '../../lib/models/checkpoint.ts';
import { buildStream, columnFrames } from '../../lib/models/network.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { expectClose, goldenArrays, goldenJson, goldenPath } from './golden.ts';

/** Of the largest value. */
const TOLERANCE = 2e-6;
const OUTPUTS = ['h', 'y'] as const;

const { cases, lengths } = await goldenJson<{ cases: string[]; lengths: number[] }>('encoder');
const expected = await goldenArrays('encoder');
const longest = Math.max(...lengths);

/** The golden gradients of the predictions, [time, lane, target], 0 beyond a lane's frames. */
function slopes(targets: number): Float32Array {
  const dy = new Float32Array(longest * lengths.length * targets);
  lengths.forEach((length, lane) => {
    expected(`${lane}.dy`).forEach((value, i) => {
      const [t, target] = [Math.floor(i / targets), i % targets];
      if (t < length) dy[(t * lengths.length + lane) * targets + target] = value;
    });
  });
  return dy;
}

/** The stream's outputs over the golden sequences, side by side in two lanes, and the gradient of every tensor. */
async function computed(checkpoint: Checkpoint): Promise<Map<string, Float32Array>> {
  using device = new Device({ threads: 1 });
  using columns = new Columns(device, lengths);
  const sizes = sizesOf(checkpoint);
  for (const [modality, size] of Object.entries(sizes)) {
    columns.add(modality, size);
    lengths.forEach((_, i) => {
      columns.write(modality, i, expected(`${i}.${modality}`));
    });
  }
  const graph = new Graph({ replicas: 1, lanes: lengths.length, chunk: longest });
  const network = { outputs: checkpoint.targets.length, sizes, dropout: 0, trainable: true };
  const stream = buildStream(graph, columnFrames(graph, columns), checkpoint.model.streams[0]!, network);
  for (const output of OUTPUTS) scatter(graph, columns, output, stream[output]);
  const dy = graph.value('f32', [...stream.y.dims]);
  differentiate(graph, [[stream.y, dy]]);
  using store = Store.for(device, graph);
  for (const { spec } of store.segments) store.write(spec.name, 0, checkpoint.tensors.get(spec.name)!);
  using program = new Program(device, graph, store);
  program.write(dy, slopes(checkpoint.targets.length));
  await program.run(schedule([0, 1], lengths, lengths.length, longest), { columns });
  const found = new Map<string, Float32Array>();
  for (const output of OUTPUTS) {
    for (const i of lengths.keys()) found.set(`${i}.${output}`, columns.read(output, i));
  }
  for (const { spec } of store.segments) found.set(`gradient.${spec.name}`, store.read(spec.name, 0, 'gradients'));
  return found;
}

describe.each(cases)("a stream with a Transformer's encoder, %s", (name) => {
  it("computes what PyTorch's nn.TransformerEncoder computes, and the gradient of every tensor", async () => {
    const checkpoint = await readCheckpoint(goldenPath(`encoder_${name}.safetensors`));
    const found = await computed(checkpoint);
    expect(found.size).toBe(2 * lengths.length + checkpoint.tensors.size);
    for (const [array, values] of found) {
      const golden = expected(`${name}.${array}`);
      expectClose(values, golden, TOLERANCE * Math.max(...golden.map(Math.abs)));
    }
  });
});
