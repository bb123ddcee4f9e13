import { CircumplexError } from '../../errors.ts';
import { eagerDevice } from '../../graph/device.ts';
import { differentiate } from '../../graph/differentiate.ts';
import { Graph, type Value } from '../../graph/graph.ts';
import { Program, type RunSettings } from '../../graph/program.ts';
import { SCHEDULE_COLUMNS } from '../../graph/schedule.ts';
import { gone, made, outsideScopes } from '../../graph/scope.ts';

/** An activation: row-major float32 with its shape, [time, lane, feature]. */
export interface Tensor {
  /** As many values as the product of `dims`. */
  readonly data: Float32Array;
  /** Sizes of the axes. */
  readonly dims: readonly number[];
}

/** Which frames of a chunk are real. Every list has an element a lane. */
export interface Frames {
  /** Valid frames, the first ones of a lane; default: all. What lies beyond them is never read. */
  lengths?: readonly number[] | undefined;
  /** Frames of the lane's sequence before the chunk; 0, the default, starts from zero state. */
  before?: readonly number[] | undefined;
  /** Frames of the lane's sequence after its valid ones; default: 0. */
  after?: readonly number[] | undefined;
}

/** What names the dropout masks of a call. */
export interface Randomness {
  /** An integer of 32 bits; default 0. */
  seed?: number | undefined;
  /** An integer of 32 bits; default 0. */
  epoch?: number | undefined;
}

/** The half of an operator that is still to come. */
export interface Backward<Upstream extends Float32Array[], Gradients> extends Disposable {
  /**
   * The gradients of all inputs, from those of the outputs. Once a run: it consumes what the forward call kept.
   *
   * @throws CircumplexError ERR_SHAPE for a gradient of another size than its output, ERR_DISPOSED the second time or
   * after dispose().
   */
  backward(...upstream: Upstream): Gradients;
  /** Gives the engine's memory back; the outputs stay. */
  dispose(): void;
}

type Read = (value: Value) => Float32Array;
type Doubles = (value: Value) => Float64Array;

/** How an operator is laid out: its outputs, and the gradients that go in and come out of its backward call. */
export interface Layout<Outputs, Gradients> {
  /** Outputs whose gradients backward() takes, in order; a loss takes none. */
  seeds: Value[];
  outputs(read: Read, doubles: Doubles): Outputs;
  gradients(read: Read): Gradients;
}

interface Lane {
  length: number;
  before: number;
  after: number;
}

/** The inputs of one eager call, gathered while its graph is built. */
export class Inputs {
  readonly graph: Graph;
  readonly lanes: Lane[];
  /** The arrays that gradients are wanted of. */
  readonly differentiable: Value[] = [];
  readonly #writes: [Value, Float32Array | Uint8Array | Int32Array | Float64Array][] = [];

  constructor(
    readonly op: string,
    time: number,
    lanes: number,
    frames: Frames,
  ) {
    this.graph = new Graph({ replicas: 1, lanes, chunk: time });
    const { lengths, before, after } = frames;
    const counts = (name: string, list: readonly number[] | undefined, otherwise: number, most: number) =>
      checkCounts(op, name, list ?? new Array<number>(lanes).fill(otherwise), lanes, most);
    const [length, first, last] = [
      counts('lengths', lengths, time, time),
      counts('before', before, 0, 2 ** 30),
      counts('after', after, 0, 2 ** 30),
    ];
    this.lanes = length.map((n, i) => ({ length: n, before: first[i] as number, after: last[i] as number }));
  }

  /**
   * [left + time + right, lane, ...]. Frames that the lane's sequence does not have are fed as 0, whatever stands there;
   * so are those whose mask is 0.
   */
  activation(name: string, tensor: Tensor, dims: (number | null)[], left = 0, valid: Uint8Array | null = null): Value {
    const actual = [...tensor.dims];
    if (actual.length !== dims.length || dims.some((d, i) => d !== null && d !== actual[i])) {
      const expected = dims.map((d) => d ?? 'any').join(', ');
      throw shapeError(this.op, `${name} is [${actual.join(', ')}], expected [${expected}]`);
    }
    checkSize(this.op, name, tensor.data, actual);
    return this.#differentiable(actual, this.#real(tensor.data, actual, left, valid));
  }

  /** An array of which the shape follows from the others. */
  parameter(name: string, data: Float32Array, dims: number[]): Value {
    checkSize(this.op, name, data, dims);
    return this.#differentiable(dims, data);
  }

  /** A mask [time, lane], 1 where a frame is there; null where none is missing. */
  mask(name: string, data: Uint8Array | null | undefined, dims: number[]): Value | null {
    if (!data) return null;
    if (!(data instanceof Uint8Array)) throw shapeError(this.op, `${name} must be a Uint8Array`);
    checkSize(this.op, name, data, dims);
    const value = this.graph.value('u8', dims);
    this.set(value, data);
    return value;
  }

  /** An array of which no gradient is wanted. */
  constant(name: string, tensor: Tensor, dims: readonly number[]): Value {
    if (tensor.dims.join() !== dims.join()) {
      throw shapeError(this.op, `${name} is [${tensor.dims.join(', ')}], expected [${dims.join(', ')}]`);
    }
    checkSize(this.op, name, tensor.data, dims);
    const value = this.graph.value('f32', [...dims]);
    this.set(value, tensor.data);
    return value;
  }

  /** The values that `value` holds when the run begins. */
  set(value: Value, data: Float32Array | Uint8Array | Int32Array | Float64Array): void {
    this.#writes.push([value, data]);
  }

  /** The state [..., lane, hidden] that the lanes with frames before the chunk go on from; default 0. */
  state(value: Value, data: Float32Array | undefined): void {
    if (!data) return;
    checkSize(this.op, 'state', data, value.dims);
    this.set(value, data);
  }

  write(program: Program): void {
    for (const [value, data] of this.#writes) program.write(value, data);
  }

  /** A gradient of an output, 0 beyond the lanes' frames. */
  upstream(name: string, value: Value, data: Float32Array): Float32Array {
    checkSize(this.op, name, data, value.dims);
    return value.dims.length >= 3 ? this.#real(data, value.dims, 0, null) : data;
  }

  get schedule(): Int32Array {
    const rows = new Int32Array(this.lanes.length * SCHEDULE_COLUMNS);
    this.lanes.forEach(({ length, before, after }, lane) => {
      rows.set([lane, before, length, before + length + after], lane * SCHEDULE_COLUMNS);
    });
    return rows;
  }

  #differentiable(dims: number[], data: Float32Array): Value {
    const value = this.graph.value('f32', dims);
    this.differentiable.push(value);
    this.set(value, data);
    return value;
  }

  #real(data: Float32Array, dims: readonly number[], left: number, valid: Uint8Array | null): Float32Array {
    const [time, lanes] = dims as [number, number];
    const width = data.length / (time * lanes);
    const halo = time > this.graph.sizes.chunk;
    const real = data.slice();
    for (let row = 0; row < time * lanes; row++) {
      const lane = this.lanes[row % lanes] as Lane;
      const t = Math.floor(row / lanes) - left;
      const there = t >= -lane.before && t < lane.length + (halo ? lane.after : 0);
      if (!there || valid?.[row] === 0) real.fill(0, row * width, (row + 1) * width);
    }
    return real;
  }
}

/**
 * Runs one operator on typed arrays, at once and on this thread: builds its graph, plans it, computes the outputs, and
 * keeps what the backward call needs.
 *
 * @param size frames a chunk and lanes
 * @throws CircumplexError ERR_SHAPE or ERR_CONFIG, naming the argument
 */
export function eager<Outputs extends object, Gradients, Upstream extends Float32Array[]>(
  op: string,
  [time, lanes]: [number, number],
  frames: Frames & Randomness & { bypass?: boolean | undefined },
  build: (inputs: Inputs) => Layout<Outputs, Gradients>,
): Outputs & Backward<Upstream, Gradients> {
  const inputs = new Inputs(op, time, lanes, frames);
  const { graph } = inputs;
  const layout = build(inputs);
  const forward = graph.calls.length;
  const seeds = layout.seeds.map((value): [Value, Value] => [value, graph.value('f32', [...value.dims])]);
  const gradients = differentiate(graph, seeds, inputs.differentiable);
  const program = outsideScopes(() => new Program(eagerDevice(), graph));
  const settings: Partial<RunSettings> = {
    seed: Uint32Array.of(frames.seed ?? 0),
    epoch: frames.epoch ?? 0,
    bypass: frames.bypass ?? false,
  };
  const outputs = runForward();
  let consumed = false;

  function runForward(): Outputs {
    try {
      inputs.write(program);
      program.runSync(inputs.schedule, { settings }, 0, forward);
      return layout.outputs(
        (value) => program.readFloats(value),
        (value) => program.readDoubles(value),
      );
    } catch (error) {
      program.dispose();
      throw error;
    }
  }

  function backward(...upstream: Upstream): Gradients {
    if (consumed) {
      const remedy = 'a backward call consumes what its forward call kept; run the operator again';
      throw new CircumplexError('ERR_DISPOSED', `${op}: backward() was called before: ${remedy}`);
    }
    const checked = seeds.map(([value], i) =>
      inputs.upstream(`the gradient of output ${i}`, value, upstream[i] as Float32Array),
    );
    seeds.forEach(([, seed], i) => {
      program.write(seed, checked[i] as Float32Array);
    });
    consumed = true;
    program.runSync(inputs.schedule, { settings }, forward);
    return layout.gradients((value) => program.readFloats(gradients.get(value) as Value));
  }

  const dispose = () => {
    program.dispose();
    gone(result);
  };
  const result: Outputs & Backward<Upstream, Gradients> = made(
    Object.assign(outputs, { backward, dispose, [Symbol.dispose]: dispose }),
  );
  return result;
}

/** [time, lane] of an activation, before anything else is known of it. */
export function sizesOf(op: string, name: string, tensor: Tensor): [number, number] {
  const [time = 0, lanes = 0] = tensor.dims;
  if (tensor.dims.length !== 3 || !(time >= 1) || !(lanes >= 1)) {
    throw shapeError(op, `${name} is [${tensor.dims.join(', ')}], expected [time, lane, feature], none of them empty`);
  }
  return [time, lanes];
}

/** The size of an axis that an array must have because the others are known. */
export function axisOf(op: string, name: string, data: Float32Array, rest: number, shape: string): number {
  const size = data.length / rest;
  if (!Number.isInteger(size) || size < 1) {
    throw shapeError(op, `${name} has ${data.length} values, which is no ${shape} with ${rest} values a row`);
  }
  return size;
}

export function shapeError(op: string, message: string): CircumplexError {
  return new CircumplexError('ERR_SHAPE', `${op}: ${message}`);
}

function checkSize(op: string, name: string, data: ArrayLike<number>, dims: readonly number[]): void {
  const size = dims.reduce((a, b) => a * b, 1);
  if (data instanceof Float32Array || data instanceof Uint8Array) {
    if (data.length === size) return;
    throw shapeError(op, `${name} has ${data.length} values, expected ${size}: [${dims.join(', ')}]`);
  }
  throw shapeError(op, `${name} must be a Float32Array of [${dims.join(', ')}]`);
}

function checkCounts(
  op: string,
  name: string,
  list: readonly number[],
  lanes: number,
  most: number,
): readonly number[] {
  if (list.length !== lanes) {
    throw shapeError(op, `${name} has ${list.length} values, expected one for each of ${lanes} lanes`);
  }
  const wrong = list.findIndex((count) => !Number.isInteger(count) || count < 0 || count > most);
  if (wrong >= 0) {
    const range = most < 2 ** 30 ? `from 0 to ${most}` : 'of at least 0';
    throw new CircumplexError('ERR_CONFIG', `${op}: ${name}[${wrong}] must be an integer ${range}, not ${list[wrong]}`);
  }
  return list;
}
