import type { Scale } from '../../data/normaliser.ts';
import type { GraphBuilder, Name } from '../../onnx/graph.ts';

/** Features as a network reads them, time first. */
export interface Frames {
  /** [time, batch, feature], normalised; 0 where a frame is missing. */
  values: Name;
  /** `[time, batch]`, of truth values: false where a frame is missing. */
  valid: Name;
}

/**
 * An input `[batch, time, feature]` made ready: z-scored in float64, as the library does it, so that a feature that is
 * large beside its sd loses nothing. A row with a NaN is a missing frame.
 */
export function normalised(graph: GraphBuilder, modality: string, { mean, sd }: Scale): Frames {
  const x = graph.node('Transpose', [modality], { perm: [1, 0, 2] });
  const known = (part: string, values: number[]) =>
    graph.constant(`normaliser.${modality}.${part}`, [values.length], Float64Array.from(values));
  const centred = graph.node('Sub', [graph.cast(x, 'double'), known('mean', mean)]);
  const scaled = graph.cast(graph.node('Div', [centred, known('sd', sd)]), 'float');
  const holes = graph.cast(graph.node('IsNaN', [x]), 'float');
  const missing = graph.cast(graph.node('ReduceMax', [holes], { axes: [2], keepdims: 0 }), 'bool');
  const gone = graph.node('Unsqueeze', [missing, graph.integers(2)]);
  return {
    values: graph.node('Where', [gone, graph.number(0), scaled]),
    valid: graph.node('Not', [missing]),
  };
}

/** Modalities side by side: a frame is missing only where all of them are. */
export function sideBySide(graph: GraphBuilder, parts: readonly Frames[]): Frames {
  const [first] = parts as [Frames];
  if (parts.length === 1) return first;
  return {
    values: graph.node(
      'Concat',
      parts.map(({ values }) => values),
      { axis: 2 },
    ),
    valid: parts.map(({ valid }) => valid).reduce((any, valid) => graph.node('Or', [any, valid])),
  };
}
