import { hasFusionBias, type Model } from '../../models/model.ts';
import type { GraphBuilder, Name } from '../../onnx/graph.ts';
import type { OnnxTensor } from '../../onnx/model.ts';
import { LEAST } from './attentive_lstm.ts';
import type { Weights } from './weights.ts';

/** What a stream gives to the fusion. */
export interface StreamOutputs {
  /** [time, batch, width] */
  h: Name;
  /** [time, batch, target] */
  y: Name;
  /** `[time, batch]`, of truth values. */
  valid: Name;
}

export interface Fused {
  /** [time, batch, target] */
  z: Name;
  /** `[time, batch, target, stream]`, or null for a fusion without weights. */
  weights: Name | null;
}

/** The streams' predictions as one; `features` [time, batch, feature] are what a conditional fusion also looks at. */
export function fuse(
  graph: GraphBuilder,
  model: Model,
  outputs: number,
  streams: readonly StreamOutputs[],
  features: () => Name,
  weights: Weights,
): Fused {
  const bias = hasFusionBias(model) ? weights('fusion.bias') : null;
  const states = streams.map(({ h }) => h);
  const context = (parts: Name[]) =>
    parts.length === 1 ? (parts[0] as Name) : graph.node('Concat', parts, { axis: 2 });
  switch (model.fusion) {
    case 'none':
      return { z: (streams[0] as StreamOutputs).y, weights: null };
    case 'attention':
    case 'conditional': {
      const parts = model.fusion === 'conditional' ? [...states, features()] : states;
      const scores = scoresOf(graph, context(parts), weights('fusion.weight'));
      return attend(graph, streams, bias ? graph.node('Add', [scores, constantOf(graph, bias)]) : scores);
    }
    case 'static':
      return attend(graph, streams, constantOf(graph, weights('fusion.weight')));
    case 'mean': {
      const even = new Float32Array(outputs * streams.length);
      return attend(graph, streams, graph.constant('fusion.even', [outputs, streams.length], even));
    }
    case 'olb':
    case 'olb-per-dimension': {
      const products = graph.node('Mul', [stacked(graph, streams), constantOf(graph, weights('fusion.weight'))]);
      const z = graph.node('ReduceSum', [products, graph.integers(-1)], { keepdims: 0 });
      return { z: bias ? graph.node('Add', [z, constantOf(graph, bias)]) : z, weights: null };
    }
    case 'hlb':
      return { z: graph.linear(context(states), weights('fusion.weight'), bias), weights: null };
  }
}

/** S_m = C' W_m, [time, batch, output, stream]: W [output, C, stream] as one matrix. */
function scoresOf(graph: GraphBuilder, context: Name, { name, dims, data }: OnnxTensor): Name {
  const [outputs, width, streams] = dims as [number, number, number];
  const matrix = new Float32Array(data.length);
  for (let m = 0; m < outputs; m++) {
    for (let c = 0; c < width; c++) {
      const row = (data as Float32Array).subarray((m * width + c) * streams, (m * width + c + 1) * streams);
      matrix.set(row, (c * outputs + m) * streams);
    }
  }
  const flat = graph.node('MatMul', [context, graph.constant(name, [width, outputs * streams], matrix)]);
  return graph.node('Reshape', [flat, graph.integers(0, 0, outputs, streams)]);
}

/** The softmax over the streams that are there, over all where none is, and what it makes of the predictions. */
function attend(graph: GraphBuilder, streams: readonly StreamOutputs[], scores: Name): Fused {
  const masks = streams.map(({ valid }) => graph.node('Unsqueeze', [valid, graph.integers(2, 3)]));
  const there = graph.node('Concat', masks, { axis: 3 }); // [time, batch, 1, stream]
  const known = graph.node('Where', [there, scores, graph.number(LEAST)]);
  const weights = graph.node('Softmax', [known], { axis: -1 });
  const products = graph.node('Mul', [weights, stacked(graph, streams)]);
  return { z: graph.node('ReduceSum', [products, graph.integers(-1)], { keepdims: 0 }), weights };
}

/** The predictions [time, batch, target, stream]. */
function stacked(graph: GraphBuilder, streams: readonly StreamOutputs[]): Name {
  const columns = streams.map(({ y }) => graph.node('Unsqueeze', [y, graph.integers(3)]));
  return graph.node('Concat', columns, { axis: 3 });
}

function constantOf(graph: GraphBuilder, { name, dims, data }: OnnxTensor): Name {
  return graph.constant(name, dims, data);
}
