import type { Stream } from '../../models/model.ts';
import { GraphBuilder, type Name } from '../../onnx/graph.ts';
import type { OnnxTensor, OnnxValue } from '../../onnx/model.ts';
import { windowReach } from '../../ops/attentive_lstm.ts';
import type { Frames } from './frames.ts';
import type { Weights } from './weights.ts';

/** So little that its exponential is 0 beside that of any score. */
export const LEAST = -1e30;

/**
 * The embedding attention and its LSTM as one Scan over frames, since the window's query is the top layer's state of the
 * frame before. With K = V Wa' and P = V Wx' for all frames, a step scores with h . K(s) and reads sum_s a(s) P(s).
 *
 * @returns h [time, batch, hidden] and the window's weights [time, batch, window]
 */
export function attentiveLstm(
  graph: GraphBuilder,
  frames: Frames,
  s: Stream & { window: number },
  weights: Weights,
): { h: Name; attention: Name } {
  const { values, valid } = frames;
  const prefix = `streams.${s.name}`;
  const inputs = graph.linear(values, weights(`${prefix}.lstm.weight_ih_l0`), null);
  const padded = (x: Name) => graph.node('Pad', [x, windowPadding(graph, s.window)]);
  const outer: WindowInputs = {
    inputs: padded(inputs),
    keys: s.attention === 'gdp' ? padded(graph.node('MatMul', [values, wa(graph, weights, prefix)])) : null,
    logits: s.attention === 'static' ? windowLogits(graph, weights(`${prefix}.window.weight`)) : null,
    valid: padded(graph.node('Unsqueeze', [graph.cast(valid, 'float'), graph.integers(2)])),
  };
  const shape = graph.node('Shape', [values]);
  const [time, batch] = [0, 1].map((axis) => graph.node('Gather', [shape, graph.integer(axis)], { axis: 0 }));
  const steps = graph.node('Range', [graph.integer(0), time as Name, graph.integer(1)]);
  const rows = graph.node('Unsqueeze', [batch as Name, graph.integers(0)]);
  const stateShape = graph.node('Concat', [rows, graph.integers(s.hidden)], { axis: 0 });
  const zero = graph.node('Expand', [graph.number(0), stateShape]);
  const states = new Array<Name>(2 * s.layers).fill(zero);
  const outputs = graph.nodes('Scan', [...states, steps], states.length + 2, {
    body: step(graph, outer, s, weights),
    num_scan_inputs: 1,
  });
  return { h: outputs[states.length] as Name, attention: outputs[states.length + 1] as Name };
}

/** What a step reads from outside of the loop; frames are padded by the window's reach. */
interface WindowInputs {
  /** `[left + time + right, batch, 4 hidden]`: P. */
  inputs: Name;
  /** `[left + time + right, batch, hidden]`: K, with gdp. */
  keys: Name | null;
  /** `[window, 1, 1]`, with static. */
  logits: Name | null;
  /** `[left + time + right, batch, 1]`: 0 or 1. */
  valid: Name;
}

/** One frame: the states h, c of every layer and the frame's place, to the new states, h of the top layer, the weights. */
function step(outer: GraphBuilder, from: WindowInputs, s: Stream & { window: number }, weights: Weights) {
  const body = new GraphBuilder(outer);
  const names = (kind: string) => Array.from({ length: s.layers }, (_, layer) => `${s.name}.${kind}_l${layer}`);
  const before = { h: names('h'), c: names('c'), t: `${s.name}.t` };
  const top = before.h[s.layers - 1] as Name;

  const start = body.node('Unsqueeze', [before.t, body.integers(0)]);
  const end = body.node('Add', [start, body.integers(s.window)]);
  const window = (x: Name) => body.node('Slice', [x, start, end, body.integers(0)]);
  const there = window(from.valid);
  const attention = windowWeights(body, there, score(body, from, window, top));
  let gates = body.node('ReduceSum', [body.node('Mul', [attention, window(from.inputs)]), body.integers(0)], {
    keepdims: 0,
  });
  const after: { h: Name[]; c: Name[] } = { h: [], c: [] };
  for (let layer = 0; layer < s.layers; layer++) {
    const tensor = (name: string) => weights(`streams.${s.name}.lstm.${name}_l${layer}`);
    if (layer > 0) gates = body.linear(after.h[layer - 1] as Name, tensor('weight_ih'), null);
    const recurrent = body.linear(before.h[layer] as Name, tensor('weight_hh'), biasSum(tensor));
    const { h, c } = cell(body, body.node('Add', [gates, recurrent]), before.c[layer] as Name);
    after.h.push(h);
    after.c.push(c);
  }
  const outputs = { h: names('h_next'), c: names('c_next'), top: `${s.name}.h_top`, attention: `${s.name}.attention` };
  after.h.forEach((name, layer) => {
    body.output(name, outputs.h[layer] as Name);
    body.output(after.c[layer] as Name, outputs.c[layer] as Name);
  });
  body.output(after.h[s.layers - 1] as Name, outputs.top);
  const weightsByLane = body.node('Transpose', [body.node('Squeeze', [attention, body.integers(2)])], { perm: [1, 0] });
  body.output(weightsByLane, outputs.attention);

  const state = (name: Name): OnnxValue => ({ name, element: 'float', dims: ['batch', s.hidden] });
  return body.build(
    `${s.name}.frame`,
    [...before.h.map(state), ...before.c.map(state), { name: before.t, element: 'int64', dims: [] }],
    [
      ...outputs.h.map(state),
      ...outputs.c.map(state),
      state(outputs.top),
      { name: outputs.attention, element: 'float', dims: ['batch', s.window] },
    ],
  );
}

/** The window's scores, as goes with [window, batch, 1]. */
function score(body: GraphBuilder, from: WindowInputs, window: (x: Name) => Name, query: Name): Name {
  if (from.keys === null) return from.logits ?? body.number(0);
  const products = body.node('Mul', [window(from.keys), query]);
  return body.node('ReduceSum', [products, body.integers(2)], { keepdims: 1 });
}

/** The softmax over the frames that are there, [window, batch, 1]; all 0 where none is. */
function windowWeights(body: GraphBuilder, there: Name, scores: Name): Name {
  const known = body.node('Where', [body.cast(there, 'bool'), scores, body.number(LEAST)]);
  return body.node('Mul', [body.node('Softmax', [known], { axis: 0 }), there]);
}

/** c = f c + i g, h = o tanh(c). */
function cell(body: GraphBuilder, gates: Name, c: Name): { h: Name; c: Name } {
  const [i, f, g, o] = body.nodes('Split', [gates], 4, { axis: 1 }) as [Name, Name, Name, Name];
  const sigmoid = (x: Name) => body.node('Sigmoid', [x]);
  const kept = body.node('Mul', [sigmoid(f), c]);
  const added = body.node('Mul', [sigmoid(i), body.node('Tanh', [g])]);
  const next = body.node('Add', [kept, added]);
  return { h: body.node('Mul', [sigmoid(o), body.node('Tanh', [next])]), c: next };
}

/** Wa [hidden, embedding], by which V is multiplied from the right: as [embedding, hidden]. */
function wa(graph: GraphBuilder, weights: Weights, prefix: string): Name {
  return graph.transposed(weights(`${prefix}.attention.weight`));
}

function windowLogits(graph: GraphBuilder, { name, dims, data }: OnnxTensor): Name {
  return graph.constant(name, [...dims, 1, 1], data);
}

function windowPadding(graph: GraphBuilder, window: number): Name {
  const { left, right } = windowReach(window);
  return graph.integers(left, 0, 0, right, 0, 0);
}

function biasSum(tensor: (name: string) => OnnxTensor & { data: Float32Array }): OnnxTensor {
  const [ih, hh] = [tensor('bias_ih'), tensor('bias_hh')];
  return { name: `${ih.name}+hh`, dims: ih.dims, data: ih.data.map((value, i) => value + (hh.data[i] as number)) };
}
