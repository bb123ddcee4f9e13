import type { NativeDevice } from '../binding.ts';
import { CircumplexError, type CircumplexErrorCode } from '../errors.ts';
import { binding } from '../native.ts';

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

/** Where programs run: a compute pool and a thread of its own. */
export class Device implements Disposable {
  readonly native: NativeDevice;
  /** As asked for, resolved: 'cpu'. */
  readonly name = 'cpu';

  /**
   * @throws CircumplexError ERR_NO_DEVICE when CUDA is asked for and this build has none, ERR_CONFIG for an unknown
   * device, a thread count that is no positive integer, or an instruction set that the processor lacks.
   */
  constructor(options: DeviceOptions = {}) {
    const wanted = options.device ?? 'auto';
    if (/^cuda(:\d+)?$/.test(wanted)) {
      throw new CircumplexError(
        'ERR_NO_DEVICE',
        `device '${wanted}': this build of circumplex has no CUDA backend; use --device cpu (or auto)`,
      );
    }
    if (wanted !== 'auto' && wanted !== 'cpu') {
      throw new CircumplexError('ERR_CONFIG', `unknown device '${wanted}': one of auto, cpu, cuda, cuda:N`);
    }
    const threads = options.threads ?? 0;
    if (options.threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > 1024)) {
      throw new CircumplexError('ERR_CONFIG', `threads must be an integer from 1 to 1024, not ${options.threads}`);
    }
    this.native = guarded(() => new (binding().Device)(threads, options.isa ?? ''));
  }

  get threads(): number {
    return this.native.threads;
  }

  /** The instruction set that serves: 'scalar', 'avx2' or 'avx512'. */
  get isa(): string {
    return this.native.isa;
  }

  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

let eager: Device | undefined;

/** The device of the eager operators: one thread, so that a call costs no hand-over. */
export function eagerDevice(): Device {
  eager ??= new Device({ device: 'cpu', threads: 1 });
  return eager;
}

/** Live memory of the engine in this process, in bytes and blocks: what dispose() must bring back to 0. */
export function memory(): { bytes: number; blocks: number } {
  return binding().memory();
}
