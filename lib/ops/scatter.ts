import type { Columns } from '../graph/columns.ts';
import type { Graph, Value } from '../graph/graph.ts';

/** Writes the chunk's valid frames of `x` to the column `name`, which is added when it does not exist. */
export function scatter(graph: Graph, columns: Columns, name: string, x: Value): void {
  const width = x.dims.slice(2).reduce((a, b) => a * b, 1);
  columns.add(name, width, graph.sizes.replicas);
  graph.call('scatter', [x], [], { attributes: { column: columns.column(name).index } });
}
