import { refusal } from './checkpoint_metadata.ts';
import type { Tensor } from './safetensors.ts';

const CELL = /^(.*\.lstm)\.(kernel|recurrent_kernel|bias)(_l\d+(?:_reverse)?)$/;
const DENSE = /^(.*)\.kernel$/;

/**
 * Tensors with the names of Keras and tfjs (`kernel`, `recurrent_kernel` and one `bias` an LSTM; `kernel` of a dense layer)
 * as PyTorch has them, all others as they are: kernels [input, output] are turned; the one bias becomes `bias_ih`, and
 * `bias_hh` is 0; without a bias both are. Keras's gates i, f, c, o stand in the order of PyTorch's i, f, g, o.
 *
 * @param where begins every message
 * @throws ERR_CHECKPOINT for a kernel that is no matrix
 */
export function fromKeras(tensors: ReadonlyMap<string, Tensor>, where: string): Map<string, Tensor> {
  const converted = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    const [, lstm, kind, place] = CELL.exec(name) ?? [];
    const [, dense] = DENSE.exec(name) ?? [];
    if (kind === 'bias') {
      converted.set(`${lstm}.bias_ih${place}`, tensor).set(`${lstm}.bias_hh${place}`, zeros(tensor.dims));
    } else if (kind !== undefined) {
      const turned = transposed(tensor, name, where);
      converted.set(`${lstm}.weight_${kind === 'kernel' ? 'ih' : 'hh'}${place}`, turned);
      const [gates] = turned.dims as [number];
      if (kind === 'kernel' && !tensors.has(`${lstm}.bias${place}`)) {
        converted.set(`${lstm}.bias_ih${place}`, zeros([gates])).set(`${lstm}.bias_hh${place}`, zeros([gates]));
      }
    } else if (dense !== undefined) {
      converted.set(`${dense}.weight`, transposed(tensor, name, where));
    } else {
      converted.set(name, tensor);
    }
  }
  return converted;
}

function zeros(dims: number[]): Tensor {
  const size = dims.reduce((product, length) => product * length, 1);
  return { dtype: 'F32', dims, data: new Float32Array(size) };
}

function transposed({ dtype, dims, data }: Tensor, name: string, where: string): Tensor {
  const [rows, columns] = dims as [number, number];
  if (dims.length !== 2) {
    throw refusal(where, `tensor '${name}' has shape [${dims.join(', ')}], expected a kernel [input, output]`);
  }
  const turned = data.slice();
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = data[i * columns + j] as number & bigint;
  }
  return { dtype, dims: [columns, rows], data: turned };
}
