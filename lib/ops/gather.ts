import type { Columns } from '../graph/columns.ts';
import type { Graph, Value } from '../graph/graph.ts';

/** How far beyond the chunk is read. */
export interface GatherOptions {
  /** Frames of halo before the chunk. */
  left?: number;
  /** Frames of halo after the chunk. */
  right?: number;
}

/**
 * The chunk's frames of a modality: values, missing and absent frames 0, and a mask, 1 where a frame exists and is not
 * missing.
 */
export function gather(
  graph: Graph,
  columns: Columns,
  name: string,
  options: GatherOptions = {},
): {
  /** [left + time + right, lane, feature] */
  values: Value;
  /** [left + time + right, lane] */
  valid: Value;
} {
  const { left = 0, right = 0 } = options;
  const { index, width, replicas } = columns.column(name);
  const time = left + graph.sizes.chunk + right;
  const replicated = replicas > 1;
  const values = graph.value('f32', [time, graph.sizes.lanes, width], { replicated });
  const valid = graph.value('u8', [time, graph.sizes.lanes], { replicated });
  graph.call('gather', [], [values, valid], { attributes: { column: index, left, right } });
  return { values, valid };
}

/** The chunk's targets [time, lane, target]; NaN where unlabelled or beyond a lane's frames. */
export function gatherTargets(graph: Graph, columns: Columns, name: string): Value {
  const { index, width, replicas } = columns.column(name);
  const { chunk, lanes } = graph.sizes;
  const values = graph.value('f32', [chunk, lanes, width], { replicated: replicas > 1 });
  graph.call('gather', [], [values, null], { attributes: { column: index, left: 0, right: 0 } });
  return values;
}
