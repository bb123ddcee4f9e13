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
  /**
   * 'cpu', 'cuda', 'cuda:N' (with ',tf32' or ',bf16' its large products round their factors), or 'auto' (default): the one that the environment variable CIRCUMPLEX_DEVICE names, else
   * the best there is. Who asks for CUDA gets it or an error.
   */
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
    const given = checked(options.device ?? 'auto');
    const wanted = given === 'auto' ? chosen() : given;
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

function checked(device: string, source = ''): string {
  if (device === 'auto' || device === 'cpu' || /^cuda(:\d{1,3})?(,(tf32|bf16))?$/.test(device)) return device;
  throw new CircumplexError(
    'ERR_CONFIG',
    `${source}unknown device '${device}': one of auto, cpu, cuda, cuda:N, or cuda,tf32 and cuda,bf16`,
  );
}

/** CIRCUMPLEX_DEVICE; 'auto' where it is not set. */
function preferred(): string {
  return checked(process.env.CIRCUMPLEX_DEVICE || 'auto', 'CIRCUMPLEX_DEVICE: ');
}

/** What 'auto' is. `missed`: what keeps a GPU from it where one is to be expected, a driver or the CUDA package being there. */
export function defaultDevice(): { name: string; missed: string | null } {
  const wanted = preferred();
  if (wanted !== 'auto') return { name: wanted, missed: null };
  const { built, driver, gpus, problem } = binding().cudaReport();
  if (gpus.length > 0) return { name: 'cuda:0', missed: null };
  if (built) return { name: 'cpu', missed: driver > 0 ? problem : null };
  const { installed, message } = cudaPackageProblem();
  return { name: 'cpu', missed: installed ? message : null };
}

let warned = false;

function chosen(): string {
  const { name, missed } = defaultDevice();
  if (missed !== null && !warned) {
    warned = true;
    process.emitWarning(`circumplex computes on the CPU: ${missed}`);
  }
  return name;
}

function open(name: string, threads: number, isa: string): NativeDevice {
  const native = binding();
  return guarded(() => {
    try {
      return new native.Device(name, threads, isa);
    } catch (error) {
      if (name === 'cpu' || native.cudaReport().built) throw error;
      const message = `device '${name}': ${cudaPackageProblem().message}; or choose device 'cpu'`;
      throw new CircumplexError('ERR_NO_DEVICE', message, { cause: error });
    }
  });
}

let eager: Device | undefined;

/** The device of the eager operators: CIRCUMPLEX_DEVICE, or one CPU thread, so that a call costs no hand-over. */
export function eagerDevice(): Device {
  if (eager === undefined) {
    const wanted = preferred();
    eager = new Device({ device: wanted === 'auto' ? 'cpu' : wanted, threads: 1 });
  }
  return eager;
}

/**
 * Live memory of the engine in this process, in bytes and blocks: what dispose() must bring back to 0. `deviceBytes` are
 * those on a GPU.
 */
export function memory(): { bytes: number; blocks: number; deviceBytes: number } {
  return binding().memory();
}
