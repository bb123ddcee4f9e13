import type { Graph, Value } from '../graph/graph.ts';
import { dimensions } from './shapes.ts';

/** The inputs' features side by side, frame by frame: [time, lane, sum of features]. */
export function concat(graph: Graph, inputs: Value[]): Value {
  const [first] = inputs as [Value];
  const [time, lanes] = first.dims as [number, number];
  const widths = inputs.map((x, i) => dimensions('concat', `input ${i}`, x, [time, lanes, null])[2] as number);
  const replicated = inputs.some((x) => x.replicated);
  const y = graph.value('f32', [time, lanes, widths.reduce((a, b) => a + b, 0)], { replicated });
  graph.call('concat', inputs, [y], {
    gradient: ({ graph: g, upstream, want }) => {
      const parts = inputs.map((_, i) => want(i));
      g.call('concat_backward', [upstream(0)], parts, { attributes: { sizes: widths } });
    },
  });
  return y;
}

/** 1 where any of the masks [time, lane] is 1: a concatenation is missing only when all its parts are. */
export function anyValid(graph: Graph, masks: Value[]): Value {
  const [first] = masks as [Value];
  if (masks.length === 1) return first;
  const replicated = masks.some((mask) => mask.replicated);
  const valid = graph.value('u8', [...first.dims], { replicated });
  graph.call('any_valid', masks, [valid]);
  return valid;
}
