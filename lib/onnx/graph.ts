import {
  ELEMENT,
  type Element,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from './model.ts';

/** The name of a tensor within a graph under construction. */
export type Name = string;

/** Adds nodes, one after the other, to an ONNX graph; bodies of loops share the names and constants of the outermost. */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #shared: { constants: Map<Name, OnnxTensor>; count: number };
  readonly #isBody: boolean;

  constructor(outer?: GraphBuilder) {
    this.#shared = outer ? outer.#shared : { constants: new Map(), count: 0 };
    this.#isBody = outer !== undefined;
  }

  /** A node with one output. */
  node(operator: string, inputs: readonly Name[], attributes: Record<string, OnnxAttribute> = {}): Name {
    const [output] = this.nodes(operator, inputs, 1, attributes);
    return output as Name;
  }

  /** A node with several outputs. */
  nodes(
    operator: string,
    inputs: readonly Name[],
    count: number,
    attributes: Record<string, OnnxAttribute> = {},
  ): Name[] {
    const outputs = Array.from({ length: count }, () => this.#fresh(operator));
    this.#nodes.push({ operator, inputs, outputs, attributes });
    return outputs;
  }

  /** Gives a tensor the name of an output of the graph. */
  output(from: Name, name: Name): void {
    this.#nodes.push({ operator: 'Identity', inputs: [from], outputs: [name] });
  }

  /** Weights and numbers; the same name again is the same tensor. */
  constant(name: Name, dims: readonly number[], data: OnnxTensor['data']): Name {
    const { constants } = this.#shared;
    if (!constants.has(name)) constants.set(name, { name, dims, data });
    return name;
  }

  /** Whole numbers: shapes, axes, indices. */
  integers(...values: number[]): Name {
    return this.constant(`integers.${values.join('.')}`, [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A whole number without a dimension. */
  integer(value: number): Name {
    return this.constant(`integer.${value}`, [], BigInt64Array.of(BigInt(value)));
  }

  number(value: number): Name {
    return this.constant(`number.${value}`, [], Float32Array.of(value));
  }

  cast(x: Name, element: Element): Name {
    return this.node('Cast', [x], { to: ELEMENT[element] });
  }

  /** x W' + b: W [output, feature], transposed here, so that x may have any number of axes; no bias: null. */
  linear(x: Name, weight: OnnxTensor, bias: OnnxTensor | null): Name {
    const y = this.node('MatMul', [x, this.transposed(weight)]);
    return bias ? this.node('Add', [y, this.constant(bias.name, bias.dims, bias.data)]) : y;
  }

  /** A matrix [row, column] as [column, row]. */
  transposed({ name, dims, data }: OnnxTensor): Name {
    const [rows, columns] = dims as [number, number];
    const turned = Float32Array.from(data as Float32Array, (_, i) => {
      return (data as Float32Array)[(i % rows) * columns + Math.floor(i / rows)] as number;
    });
    return this.constant(`${name}.T`, [columns, rows], turned);
  }

  /** All that was added so far; constants lie in the outermost graph. */
  build(name: string, inputs: OnnxValue[], outputs: OnnxValue[]): OnnxGraph {
    const initializers = this.#isBody ? [] : [...this.#shared.constants.values()];
    return { name, nodes: this.#nodes, initializers, inputs, outputs };
  }

  #fresh(operator: string): Name {
    this.#shared.count++;
    return `${operator.toLowerCase()}_${this.#shared.count}`;
  }
}
