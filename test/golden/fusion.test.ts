import { describe, it } from 'vitest';
import { Columns, Device, Graph, Program, Store, schedule } from '../../lib/graph/index.ts';
import { type Fusion, type Model, stream } from '../../lib/models/model.ts';
import { buildFusion, columnFrames } from '../../lib/models/network.ts';
import { gather } from '../../lib/ops/gather.ts';
import { scatter } from '../../lib/ops/scatter.ts';
import { expectClose, goldenArrays, goldenJson } from './golden.ts';

interface Description {
  frames: number;
  widths: number[];
  /** By stream: [first, end] of what is missing. */
  gaps: [number, number][][];
  cases: { name: string; fusion: Fusion; bias: boolean }[];
}

const TOLERANCE = 1e-6;
const TARGETS = 2;
const { frames, widths, gaps, cases } = await goldenJson<Description>('fusion');
const expected = await goldenArrays('fusion');

/** The streams' states, predictions and presence as columns; a missing stream has values that must not count. */
function streamColumns(device: Device): Columns {
  const columns = new Columns(device, [frames]);
  widths.forEach((width, i) => {
    const present = new Float32Array(frames).fill(1);
    for (const [first, end] of gaps[i]!) present.fill(Number.NaN, first, end);
    columns.add(`h${i}`, width);
    columns.add(`y${i}`, TARGETS);
    columns.add(`present${i}`, 1);
    columns.write(`h${i}`, 0, expected(`h${i}`));
    columns.write(`y${i}`, 0, expected(`y${i}`));
    columns.write(`present${i}`, 0, present);
  });
  return columns;
}

describe('fusion, as PyTorch computes it, with streams missing', () => {
  it.each(cases)('$name', async ({ name, fusion, bias }) => {
    const streams = widths.map((hidden, i) => stream({ name: `s${i}`, hidden }));
    const model: Model = { streams, fusion, fusionBias: bias };
    using device = new Device({ threads: 1 });
    using columns = streamColumns(device);
    const graph = new Graph({ replicas: 1, lanes: 1, chunk: 7 });
    const inputs = streams.map((_, i) => ({
      h: gather(graph, columns, `h${i}`).values,
      y: gather(graph, columns, `y${i}`).values,
      valid: gather(graph, columns, `present${i}`).valid,
      attention: null,
      state: null,
    }));
    const { z, weights } = buildFusion(graph, columnFrames(graph, columns), model, inputs, {
      outputs: TARGETS,
      sizes: {},
    });
    scatter(graph, columns, 'z', z);
    if (weights) scatter(graph, columns, 'weights', weights);
    using store = Store.for(device, graph);
    for (const { spec } of store.segments) store.write(spec.name, 0, expected(`${name}.${spec.name}`));
    using program = new Program(device, graph, store);
    await program.run(schedule([0], [frames], 1, 7), { columns });
    expectClose(columns.read('z', 0), expected(`${name}.z`), TOLERANCE);
    if (weights) expectClose(columns.read('weights', 0), expected(`${name}.weights`), TOLERANCE);
  });
});
