import { version } from '../version.ts';
import { type Checkpoint, checkpointOf } from './checkpoint.ts';
import { FORMAT, isObject, refusal } from './checkpoint_metadata.ts';
import { fromKeras } from './keras_weights.ts';
import type { Tensor } from './safetensors.ts';

/**
 * What each tensor of a state dict is called in a checkpoint. A name that ends in a dot stands for all that begin with
 * it: `{'net.rnn.': 'streams.audio.lstm.'}`; the longest that fits counts. Null leaves tensors out. Names that are not
 * mapped stay.
 */
export type TensorNames = Record<string, string | null>;

/**
 * Makes a checkpoint of a plain state dict, such as `safetensors.torch.save_file(net.state_dict(), path)` writes. Weights
 * of Keras and tfjs are converted where they are called as there: `kernel_l0`, `recurrent_kernel_l0` and `bias_l0` of an
 * LSTM, `kernel` of a dense layer.
 *
 * @param stateDict as `readSafetensors` gives it
 * @param configuration the metadata of a checkpoint; `format` and `version` may be left out, and `tensors` may hold
 *   {@link TensorNames}
 * @param where begins every message: the state dict's path
 * @throws ERR_CHECKPOINT naming the key, or the tensor with the expected shape
 */
export function importWeights(
  stateDict: ReadonlyMap<string, Tensor>,
  configuration: unknown,
  where = 'state dict',
): Checkpoint {
  if (!isObject(configuration)) throw refusal(where, 'the configuration must be an object of metadata');
  const { tensors: names = {}, ...metadata } = configuration;
  const tensors = fromKeras(renamed(stateDict, names, where), where);
  return checkpointOf({ format: FORMAT, version, ...metadata }, tensors, where);
}

function renamed(stateDict: ReadonlyMap<string, Tensor>, names: unknown, where: string): Map<string, Tensor> {
  if (!isTensorNames(names)) {
    throw refusal(where, "the configuration's tensors must be an object {theirs: ours or null}");
  }
  const origins = new Map<string, string>();
  const result = new Map<string, Tensor>();
  const used = new Set<string>();
  for (const [theirs, tensor] of stateDict) {
    const rule = ruleFor(theirs, names);
    if (rule !== null) used.add(rule);
    const target = rule === null ? theirs : names[rule]!;
    if (target === null) continue;
    const ours = rule === null ? theirs : target + theirs.slice(rule.length);
    const other = origins.get(ours);
    if (other !== undefined) throw refusal(where, `both '${other}' and '${theirs}' would be tensor '${ours}'`);
    origins.set(ours, theirs);
    result.set(ours, tensor);
  }
  const idle = Object.keys(names).find((rule) => !used.has(rule));
  if (idle !== undefined) {
    const there = [...stateDict.keys()].join(', ');
    throw refusal(where, `the configuration's tensors name '${idle}'; the file has ${there}`);
  }
  return result;
}

/** The entry for a tensor: its own name, or the longest beginning that ends in a dot. */
function ruleFor(theirs: string, names: TensorNames): string | null {
  if (Object.hasOwn(names, theirs)) return theirs;
  const beginnings = Object.keys(names).filter((rule) => rule.endsWith('.') && theirs.startsWith(rule));
  return beginnings.sort((a, b) => b.length - a.length)[0] ?? null;
}

function isTensorNames(value: unknown): value is TensorNames {
  return isObject(value) && Object.values(value).every((name) => name === null || typeof name === 'string');
}
