import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeModel, type OnnxGraph, type OnnxNode, type OnnxTensor } from '../../../lib/onnx/model.ts';
import { folder } from '../../data/folder.ts';

/** Writes a network, and says what a recipe says of it. */
export async function networkFile(graph: OnnxGraph): Promise<{ file: string; sha256: string; source: string }> {
  const file = join(await folder(), 'network.onnx');
  const bytes = encodeModel({ opset: 13, graph });
  await writeFile(file, bytes);
  return { file, sha256: createHash('sha256').update(bytes).digest('hex'), source: 'made by this test' };
}

const floats = (name: string, dims: number[], values: number[]): OnnxTensor => ({
  name,
  dims,
  data: Float32Array.from(values),
});
/** An input or output of float32. */
export const value = (name: string, dims: (number | string)[]) => ({ name, element: 'float' as const, dims });

/**
 * A detector in YuNet's layout that finds what is bright: the score of a cell is the mean of its pixels, 0 to 1. Its faces
 * are centred on their cells and two cells wide; its landmarks lie around the centre. In the coarser strides it finds nothing.
 */
export function brightCells(dims: (number | string)[] = [1, 3, 'height', 'width']): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const outputs: OnnxGraph['outputs'] = [];
  const part = (name: string, stride: number, weight: number, bias: number[]) => {
    const channels = bias.length;
    const id = `${name}_${stride}`;
    const inCell = 3 * stride * stride;
    initializers.push(
      floats(`${id}_w`, [channels, 3, stride, stride], Array(channels * inCell).fill(weight / inCell)),
      floats(`${id}_b`, [channels], bias),
      { name: `${id}_s`, dims: [3], data: BigInt64Array.of(1n, -1n, BigInt(channels)) },
    );
    nodes.push(
      {
        operator: 'Conv',
        inputs: ['input', `${id}_w`, `${id}_b`],
        outputs: [`${id}_c`],
        attributes: { kernel_shape: [stride, stride], strides: [stride, stride] },
      },
      { operator: 'Transpose', inputs: [`${id}_c`], outputs: [`${id}_t`], attributes: { perm: [0, 2, 3, 1] } },
      { operator: 'Reshape', inputs: [`${id}_t`, `${id}_s`], outputs: [id] },
    );
    outputs.push(value(id, [1, `cells_${stride}`, channels]));
  };
  for (const stride of [8, 16, 32]) {
    part('cls', stride, stride === 8 ? 1 / 255 : 0, [0]);
    part('obj', stride, 0, [1]);
    part('bbox', stride, 0, [0.5, 0.5, Math.log(2), Math.log(2)]);
    part('kps', stride, 0, [0.2, 0.2, 0.8, 0.2, 0.5, 0.5, 0.3, 0.8, 0.7, 0.8]);
  }
  return { name: 'bright', inputs: [value('input', dims)], outputs, nodes, initializers };
}

/**
 * A describer of 4 x 4 crops, NCHW: `features` is [1, 2, 4, 4], the first channel and thrice the second; behind it a ReLU
 * and, as the only output, the sum of all.
 */
export function describer(): OnnxGraph {
  return {
    name: 'describer',
    inputs: [value('input', [1, 3, 4, 4])],
    outputs: [value('sum', [1, 1])],
    initializers: [floats('w', [2, 3, 1, 1], [1, 0, 0, 0, 3, 0]), floats('ones', [32, 1], Array(32).fill(1))],
    nodes: [
      {
        operator: 'Conv',
        inputs: ['input', 'w'],
        outputs: ['features'],
        name: 'last_convolution',
        attributes: { kernel_shape: [1, 1] },
      },
      { operator: 'Relu', inputs: ['features'], outputs: ['positive'] },
      { operator: 'Flatten', inputs: ['positive'], outputs: ['flat'] },
      { operator: 'MatMul', inputs: ['flat', 'ones'], outputs: ['sum'] },
    ],
  };
}
