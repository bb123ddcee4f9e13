import type { NativeDevice } from '../binding.ts';
import { CircumplexError, type CircumplexErrorCode } from '../errors.ts';
import { binding, cudaPackageProblem } from '../native.ts';

/** Runs `body`; an error of the native engine becomes a {@link CircumplexError} with the same code. */
export function guarded<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw converted(error);
  }
}

/**
 * The {@link CircumplexError} for an error of the native engine: with its own code, or ERR_SHAPE where an argument did not
 * fit. Any other error as it is.
 */
export function converted(error: unknown): unknown {
  if (error instanceof CircumplexError || !(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && code.startsWith('ERR_') && !code.startsWith('ERR_NAPI')) {
    return new CircumplexError(code as CircumplexErrorCode, error.message, { cause: error });
  }
  const misfit = error instanceof RangeError || error instanceof TypeError;
  return misfit ? new CircumplexError('ERR_SHAPE', error.message, { cause: error }) : error;
}

export interface DeviceOptions {
  /** 'cpu', 'cuda', 'cuda:N', or 'auto' (default): the best there is. Who asks for CUDA gets it or an error. */
  device?: string | undefined;
  /** CPU threads; default: what affinity and the cgroup's quota grant. */
  threads?: number | undefined;
  /** CPU instruction set: 'scalar', 'avx2' or 'avx512'; default: CIRCUMPLEX_ISA, or the best there is. */
  isa?: string | undefined;
}

/** Where programs run: the CPU's compute pool or a GPU, and a thread of its own. */
export class Device implements Disposable {
  readonly native: NativeDevice;

  /**
   * @throws CircumplexError ERR_NO_DEVICE or ERR_DRIVER when CUDA is asked for and cannot be had, ERR_CONFIG for an unknown
   * device, a thread count that is no positive integer, or an instruction set that the processor lacks.
   */
  constructor(options: DeviceOptions = {}) {
    const wanted = options.device ?? 'auto';
    if (wanted !== 'auto' && wanted !== 'cpu' && !/^cuda(:\d{1,3})?$/.test(wanted)) {
      throw new CircumplexError('ERR_CONFIG', `unknown device '${wanted}': one of auto, cpu, cuda, cuda:N`);
    }
    const threads = options.threads ?? 0;
    if (options.threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > 1024)) {
      throw new CircumplexError('ERR_CONFIG', `threads must be an integer from 1 to 1024, not ${options.threads}`);
    }
    this.native = open(wanted, threads, options.isa ?? '');
  }

  /** 'cpu' or 'cuda:N'. */
  get name(): string {
    return this.native.name;
  }

  /** Of the CPU; 1 on a GPU. */
  get threads(): number {
    return this.native.threads;
  }

  /** The instruction set that serves ('scalar', 'avx2' or 'avx512'), or the GPU's name. */
  get description(): string {
    return this.native.description;
  }

  /** What gives another device like this one. */
  get options(): DeviceOptions {
    const { name, threads, description } = this.native;
    return name === 'cpu' ? { device: name, threads, isa: description } : { device: name };
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function open(wanted: string, threads: number, isa: string): NativeDevice {
  const native = binding();
  const name = wanted === 'auto' ? (native.cudaReport().gpus.length > 0 ? 'cuda:0' : 'cpu') : wanted;
  return guarded(() => {
    try {
      return new native.Device(name, threads, isa);
    } catch (error) {
      const problem = name !== 'cpu' && !native.cudaReport().built ? cudaPackageProblem() : null;
      if (problem === null) throw error;
      throw new CircumplexError('ERR_NO_DEVICE', `device '${wanted}': ${problem}`, { cause: error });
    }
  });
}

let eager: Device | undefined;

/** The device of the eager operators: one thread, so that a call costs no hand-over. */
export function eagerDevice(): Device {
  eager ??= new Device({ device: 'cpu', threads: 1 });
  return eager;
}

/**
 * Live memory of the engine in this process, in bytes and blocks: what dispose() must bring back to 0. `deviceBytes` are
 * those on a GPU.
 */
export function memory(): { bytes: number; blocks: number; deviceBytes: number } {
  return binding().memory();
}
