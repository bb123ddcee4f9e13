/** The native addon, as native/addon/addon.cc exports it. Nothing outside lib/graph and lib/features calls it. */

/** The type of a buffer's elements. */
export type ElementType = 'f32' | 'f64' | 'i32' | 'u8';
/** A buffer's values. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

export interface NativeDevice {
  /** 'cpu' or 'cuda:N'. */
  readonly name: string;
  /** The instruction set, or the GPU's name. */
  readonly description: string;
  readonly threads: number;
  dispose(): void;
}

export interface NativeBlock {
  /** `offset` in bytes. */
  read<A extends TypedArray>(offset: number, values: A): A;
  write(offset: number, values: TypedArray): void;
  dispose(): void;
}

export interface NativeData {
  addColumn(width: number, replicas: number): number;
  /** `values` [length of the sequence, width]. */
  read(column: number, sequence: number, replica: number, values: Float32Array): Float32Array;
  write(column: number, sequence: number, replica: number, values: Float32Array): void;
  dispose(): void;
}

export interface BufferDescription {
  type: ElementType;
  /** One copy a replica, or one for all. */
  replicated: boolean;
  /** Without the replica axis. */
  dims: number[];
  block?: NativeBlock;
  /** Elements from the block's start, and from one replica to the next. */
  offset?: number;
  stride?: number;
}

export interface CallDescription {
  op: string;
  /** Indices of buffers; -1: left out. */
  inputs: number[];
  outputs: number[];
  attributes: Record<string, number | number[]>;
}

export interface ProgramDescription {
  replicas: number;
  lanes: number;
  chunk: number;
  buffers: BufferDescription[];
  calls: CallDescription[];
}

/** What holds for a whole run; arrays have an element a replica. */
export interface RunSettings {
  /** Of the optimiser; default 0. */
  learningRate: Float32Array;
  /** 1: the replica is trained; 0: it stands still. Default 1. */
  active: Uint8Array;
  /** From which the dropout masks are drawn; default 0. */
  seed: Uint32Array;
  /** Names the dropout masks of this run; default 0. */
  epoch: number;
  /** Windows feed their centre frame alone, and parameters that are `bypassed` stand still; default false. */
  bypass: boolean;
}

export interface NativeProgram {
  readonly kernels: string[];
  /** `schedule` [chunk, lane, 4]: sequence (-1: idle), first frame, valid frames, frames of the whole sequence. */
  run(
    schedule: Int32Array,
    settings: RunSettings,
    data: NativeData | null,
    firstCall: number,
    endOfCalls: number,
    report: (chunksDone: number) => void,
  ): { promise: Promise<number>; stop(): void };
  runSync(
    schedule: Int32Array,
    settings: RunSettings,
    data: NativeData | null,
    firstCall: number,
    endOfCalls: number,
  ): number;
  read<A extends TypedArray>(buffer: number, replica: number, values: A): A;
  write(buffer: number, replica: number, values: TypedArray): void;
  dispose(): void;
}

/** How a program of one frame reads a sequence that comes in frame by frame. */
export interface StreamDescription {
  /** `values` and `valid`: buffers; `parts`: of a frame's features, side by side; `delay`: frames until it is read. */
  inputs: { values: number; valid: number; parts: { offset: number; width: number }[]; delay: number }[];
  /** Buffers: what a prediction is made of, and what the recurrences carry. */
  outputs: number[];
  states: number[];
  /** Of a frame. */
  features: number;
  /** Frames that come in before the first is predicted. */
  latency: number;
  /** Frames before the newest that windows and delays reach back to. */
  memory: number;
}

/** What the next predictions of a stream depend on. */
export interface NativeStreamState {
  /** That came in. */
  frames: number;
  /** The last of them, [frame, feature]. */
  recent: Float32Array;
  /** The recurrences' states. */
  carried: Float32Array;
}

export interface NativeStream {
  /** `frames` [n, features]; returns the number of predictions [.., outputs] that it wrote. */
  push(frames: Float32Array, predictions: Float32Array): number;
  /** `predictions` [latency, outputs]. */
  finish(predictions: Float32Array): number;
  reset(): void;
  save(): NativeStreamState;
  restore(state: NativeStreamState): void;
  dispose(): void;
}

/** What the addon and the machine have to offer of CUDA. */
export interface CudaReport {
  /** Whether the addon holds CUDA kernels. */
  built: boolean;
  /** Why there is no GPU to use; '' when there is. */
  problem: string;
  /** CUDA versions, 13020 for 13.2; 0 for none. */
  driver: number;
  runtime: number;
  /** Compute capabilities with machine code in the addon: '7.5, 8.0'. */
  architectures: string;
  gpus: { name: string; computeCapability: string; multiprocessors: number; memory: number }[];
}

export interface Binding {
  /** `name` 'cpu', 'cuda' or 'cuda:N'; `threads` 0 and `isa` '' choose; `scratch`: a directory for columns, or ''. */
  Device: new (
    name: string,
    threads: number,
    isa: string,
    scratch: string,
  ) => NativeDevice;
  Block: new (device: NativeDevice, bytes: number) => NativeBlock;
  Data: new (device: NativeDevice, lengths: number[]) => NativeData;
  Program: new (device: NativeDevice, description: ProgramDescription) => NativeProgram;
  Stream: new (program: NativeProgram, description: StreamDescription) => NativeStream;
  /** A buffer in a nameless file of a directory. */
  scratchBuffer(directory: string, bytes: number): ArrayBuffer;
  /** VGGish's front end: `samples` at 16 kHz to `frames` [n, 64], frame j from sample 160 j on, 400 samples each. */
  logMel(samples: Float32Array, frames: Float32Array): Float32Array;
  /** `frames` [n, 2]: Hz (0: unvoiced) and voicing, frame j from sample 160 j on, 640 samples each. */
  pitch(samples: Float32Array, frames: Float32Array): Float32Array;
  memory(): { bytes: number; blocks: number; deviceBytes: number };
  cudaReport(): CudaReport;
  instructionSets(): { name: string; available: boolean }[];
  defaultThreads: number;
}
