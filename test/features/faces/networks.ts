import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelSpec, type NodeSpec, onnxFile, type TensorSpec } from '../../../lib/features/onnx_file.ts';
import { folder } from '../../data/folder.ts';

/** Writes a network, and says what a recipe says of it. */
export async function networkFile(spec: ModelSpec): Promise<{ file: string; sha256: string; source: string }> {
  const file = join(await folder(), 'network.onnx');
  const bytes = onnxFile(spec);
  await writeFile(file, bytes);
  return { file, sha256: createHash('sha256').update(bytes).digest('hex'), source: 'made by this test' };
}

/**
 * A detector in YuNet's layout that finds what is bright: the score of a cell is the mean of its pixels, 0 to 1. Its faces
 * are centred on their cells and two cells wide; its landmarks lie around the centre. In the coarser strides it finds nothing.
 */
export function brightCells(dims: (number | string)[] = [1, 3, 'height', 'width']): ModelSpec {
  const nodes: NodeSpec[] = [];
  const constants: Record<string, TensorSpec> = {};
  const outputs: ModelSpec['outputs'] = {};
  const part = (name: string, stride: number, weight: number, bias: number[]) => {
    const channels = bias.length;
    const id = `${name}_${stride}`;
    const inCell = 3 * stride * stride;
    constants[`${id}_w`] = {
      dims: [channels, 3, stride, stride],
      values: Array(channels * inCell).fill(weight / inCell),
    };
    constants[`${id}_b`] = { dims: [channels], values: bias };
    constants[`${id}_s`] = { dims: [3], values: [1, -1, channels], type: 'int64' };
    nodes.push(
      {
        op: 'Conv',
        inputs: ['input', `${id}_w`, `${id}_b`],
        outputs: [`${id}_c`],
        attributes: { kernel_shape: [stride, stride], strides: [stride, stride] },
      },
      { op: 'Transpose', inputs: [`${id}_c`], outputs: [`${id}_t`], attributes: { perm: [0, 2, 3, 1] } },
      { op: 'Reshape', inputs: [`${id}_t`, `${id}_s`], outputs: [id] },
    );
    outputs[id] = [1, `cells_${stride}`, channels];
  };
  for (const stride of [8, 16, 32]) {
    part('cls', stride, stride === 8 ? 1 / 255 : 0, [0]);
    part('obj', stride, 0, [1]);
    part('bbox', stride, 0, [0.5, 0.5, Math.log(2), Math.log(2)]);
    part('kps', stride, 0, [0.2, 0.2, 0.8, 0.2, 0.5, 0.5, 0.3, 0.8, 0.7, 0.8]);
  }
  return { inputs: { input: dims }, outputs, nodes, constants };
}

/**
 * A describer of 4 x 4 crops, NCHW: `features` is [1, 2, 4, 4], the first channel and thrice the second; behind it a ReLU
 * and, as the only output, the sum of all.
 */
export function describer(): ModelSpec {
  return {
    inputs: { input: [1, 3, 4, 4] },
    outputs: { sum: [1, 1] },
    constants: {
      w: { dims: [2, 3, 1, 1], values: [1, 0, 0, 0, 3, 0] },
      ones: { dims: [32, 1], values: Array(32).fill(1) },
    },
    nodes: [
      {
        op: 'Conv',
        inputs: ['input', 'w'],
        outputs: ['features'],
        name: 'last_convolution',
        attributes: { kernel_shape: [1, 1] },
      },
      { op: 'Relu', inputs: ['features'], outputs: ['positive'], name: 'relu' },
      { op: 'Flatten', inputs: ['positive'], outputs: ['flat'] },
      { op: 'MatMul', inputs: ['flat', 'ones'], outputs: ['sum'] },
    ],
  };
}
