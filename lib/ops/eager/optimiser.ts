import { CircumplexError } from '../../errors.ts';
import { eagerDevice } from '../../graph/device.ts';
import { Graph, type Value } from '../../graph/graph.ts';
import { Program, singleChunk } from '../../graph/program.ts';
import { shapeError } from './session.ts';

/** One tensor and its moments; arrays of one size. */
export interface AdamState {
  /** The values themselves. */
  parameters: Float32Array;
  /** Mean of the gradients. */
  first: Float32Array;
  /** Mean of their squares. */
  second: Float32Array;
  /** Steps taken so far. */
  steps: number;
}

/** A tensor, its gradient and the settings of one step. */
export interface AdamArguments extends Partial<AdamState> {
  /** Before the step. */
  parameters: Float32Array;
  /** Of the loss, as many as parameters. */
  gradients: Float32Array;
  /** Of this step. */
  learningRate: number;
  /** Default: 0.9 */
  beta1?: number;
  /** Default: 0.999 */
  beta2?: number;
  /** Default: 1e-8 */
  epsilon?: number;
}

/**
 * One step of Adam (Kingma and Ba 2015) as torch.optim.Adam computes it; moments that are left out start from zero.
 * Nothing is changed in place.
 *
 * @throws CircumplexError ERR_SHAPE where the arrays differ in size, ERR_CONFIG for a setting out of its range.
 */
export function adam(input: AdamArguments): AdamState {
  const { parameters, gradients, learningRate, steps = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = input;
  const size = parameters.length;
  const { first = new Float32Array(size), second = new Float32Array(size) } = input;
  for (const [name, array] of Object.entries({ gradients, first, second })) {
    if (array.length !== size) throw shapeError('adam', `${name} has ${array.length} values, parameters ${size}`);
  }
  require(size > 0, 'parameters is empty');
  require(learningRate >= 0, `learningRate must not be negative: ${learningRate}`);
  require(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, `beta1 ${beta1} and beta2 ${beta2} must lie in [0, 1)`);
  require(epsilon >= 0, `epsilon must not be negative: ${epsilon}`);
  require(Number.isInteger(steps) && steps >= 0, `steps must be a whole number: ${steps}`);

  const graph = new Graph({ replicas: 1, lanes: 1, chunk: 1 });
  const flat = () => graph.value('f32', [size]);
  const values = { gradients: flat(), parameters: flat(), first: flat(), second: flat() };
  const gate = graph.value('f64', [2]);
  const count = graph.value('i32', [1]);
  graph.call('adam', [values.gradients, gate], [values.parameters, values.first, values.second, count], {
    attributes: { beta1, beta2, epsilon, segments: [0, size, 0] },
  });
  using program = new Program(eagerDevice(), graph);
  const given = { gradients, parameters, first, second };
  for (const name of ['gradients', 'parameters', 'first', 'second'] as const) program.write(values[name], given[name]);
  program.write(gate, Float64Array.of(0, 1));
  program.write(count, Int32Array.of(steps));
  program.runSync(singleChunk([1]), { settings: { learningRate: Float32Array.of(learningRate) } });
  const read = (value: Value) => program.readFloats(value);
  return {
    parameters: read(values.parameters),
    first: read(values.first),
    second: read(values.second),
    steps: steps + 1,
  };
}

/**
 * The gradients scaled to a global norm, as torch.nn.utils.clip_grad_norm_: by limit / (norm + 1e-6) where their norm
 * is above the limit. Nothing is changed in place.
 *
 * @throws CircumplexError ERR_CONFIG unless `limit` is positive.
 */
export function clip(
  gradients: Float32Array,
  limit: number,
): {
  /** Scaled. */
  gradients: Float32Array;
  /** Before. */
  norm: number;
} {
  if (!(limit > 0)) throw new CircumplexError('ERR_CONFIG', `clip: limit must be positive, not ${limit}`);
  if (gradients.length === 0) return { gradients, norm: 0 };
  const graph = new Graph({ replicas: 1, lanes: 1, chunk: 1 });
  const values = graph.value('f32', [gradients.length]);
  const norm = graph.value('f64', [1]);
  graph.call('clip', [values], [values, norm], { attributes: { norm: limit } });
  using program = new Program(eagerDevice(), graph);
  program.write(values, gradients);
  program.runSync(singleChunk([1]));
  return { gradients: program.readFloats(values), norm: program.readDoubles(norm)[0] as number };
}

function require(holds: boolean, message: string): void {
  if (!holds) throw new CircumplexError('ERR_CONFIG', `adam: ${message}`);
}
