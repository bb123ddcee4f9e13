import type { ParameterSpec } from '../../graph/graph.ts';
import type { OnnxTensor } from '../../onnx/model.ts';

/** A tensor of the checkpoint, by name. */
export type Weights = (name: string) => OnnxTensor & { data: Float32Array };

export function weightsOf(specs: readonly ParameterSpec[], tensors: ReadonlyMap<string, Float32Array>): Weights {
  const dims = new Map(specs.map((spec) => [spec.name, spec.dims]));
  return (name) => ({ name, dims: dims.get(name) as number[], data: tensors.get(name) as Float32Array });
}
