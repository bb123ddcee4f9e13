import type { Graph, Value } from '../graph/graph.ts';

/** An operator of one value. */
export type Unary = (graph: Graph, x: Value) => Value;

/** y = f(x), whose gradient needs y alone. */
function unary(op: string): Unary {
  return (graph, x) => {
    const y = graph.value('f32', [...x.dims], { replicated: x.replicated });
    graph.call(op, [x], [y], {
      gradient: ({ graph: g, upstream, want }) => g.call(`${op}_backward`, [y, upstream(0)], [want(0)]),
    });
    return y;
  };
}

/** e to the power of x, element by element. */
export const exp = unary('exp');
/** The hyperbolic tangent, element by element. */
export const tanh = unary('tanh');
/** 1 / (1 + exp(-x)), element by element. */
export const sigmoid = unary('sigmoid');
/** The larger of x and 0; its gradient at 0 is 0. */
export const relu = unary('relu');
/** Over the last axis. */
export const softmax = unary('softmax');

/** a + b; b has the shape of a, or [feature]. */
export function add(graph: Graph, a: Value, b: Value): Value {
  const y = graph.value('f32', [...a.dims], { replicated: a.replicated || b.replicated });
  graph.call('add', [a, b], [y], {
    gradient: ({ graph: g, upstream, want }) => g.call('add_backward', [upstream(0)], [want(0), want(1)]),
  });
  return y;
}

/** a b, element by element; b has the shape of a, or [feature]. */
export function mul(graph: Graph, a: Value, b: Value): Value {
  const y = graph.value('f32', [...a.dims], { replicated: a.replicated || b.replicated });
  graph.call('mul', [a, b], [y], {
    gradient: ({ graph: g, upstream, want }) => g.call('mul_backward', [a, b, upstream(0)], [want(0), want(1)]),
  });
  return y;
}

/** The sum (or mean) over the valid frames and all features: [1]. */
function reduction(op: 'sum' | 'mean'): Unary {
  return (graph, x) => {
    const y = graph.value('f32', [1]);
    graph.call(op, [x], [y], {
      gradient: ({ graph: g, upstream, want }) => g.call(`${op}_backward`, [upstream(0)], [want(0)]),
    });
    return y;
  };
}

/** Over all valid frames and features: [1]. */
export const sum = reduction('sum');
/** Over all valid frames and features: [1]. */
export const mean = reduction('mean');

/** A buffer that holds one number everywhere. */
export function fill(graph: Graph, dims: number[], value: number): Value {
  const y = graph.value('f32', dims);
  graph.call('fill', [], [y], { attributes: { value } });
  return y;
}
