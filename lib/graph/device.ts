import type { NativeDevice } from '../binding.ts';
import { CircumplexError } from '../errors.ts';
import { binding, cudaPackageProblem, guarded } from '../native.ts';
import { gone, made, outsideScopes } from './scope.ts';

/** Where to compute. */
export interface DeviceOptions {
  /**
   * 'cpu', 'cuda', 'cuda:N', or 'auto' (default): the one that the environment variable CIRCUMPLEX_DEVICE names, else the
   * best there is. Who asks for CUDA gets it or an error. 'cpu,bf16' rounds the factors of all products to bfloat16,
   * 'cuda,tf32' and 'cuda,bf16' those of large products.
   */
  device?: string | undefined;
  /** CPU threads; default: what affinity and the cgroup's quota grant. */
  threads?: number | undefined;
  /**
   * CPU instruction set: 'scalar', 'avx2', 'avx512' or on arm64 'neon', or with bfloat16 products 'avx2-bf16',
   * 'avx512-bf16' or 'amx-bf16' (of which the first is there for its figures: it is no faster); default: CIRCUMPLEX_ISA,
   * or the best there is.
   */
  isa?: string | undefined;
  /**
   * A directory for data sets that memory does not hold: their columns lie in a nameless file there, of which the system
   * keeps in memory what it has room for.
   */
  scratch?: string | undefined;
}

/** Where programs run: the CPU's compute pool or a GPU, and a thread of its own. */
export class Device implements Disposable {
  /** @internal */
  readonly native: NativeDevice;
  readonly #scratch: string | undefined;

  /**
   * A device, which {@link Device.dispose} ends.
   *
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
    this.#scratch = options.scratch;
    this.native = open(wanted, threads, options.isa ?? '', options.scratch ?? '');
    made(this);
  }

  /** 'cpu' or 'cuda:N'. */
  get name(): string {
    return this.native.name;
  }

  /** Of the CPU; 1 on a GPU. */
  get threads(): number {
    return this.native.threads;
  }

  /** The instruction set that serves (as in {@link DeviceOptions.isa}), or the GPU's name. */
  get description(): string {
    return this.native.description;
  }

  /** What gives another device like this one. */
  get options(): DeviceOptions {
    const { name, threads, description } = this.native;
    const scratch = this.#scratch;
    return name === 'cpu' ? { device: name, threads, isa: description, scratch } : { device: name, scratch };
  }

  /** Gives its threads and memory back, once its programs are disposed of. */
  dispose(): void {
    this.native.dispose();
    gone(this);
  }

  /** As dispose(), for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checked(device: string, source = ''): string {
  if (device === 'auto' || device === 'cpu' || /^(cpu,bf16|cuda(:\d{1,3})?(,(tf32|bf16))?)$/.test(device))
    return device;
  throw new CircumplexError(
    'ERR_CONFIG',
    `${source}unknown device '${device}': one of auto, cpu, cuda, cuda:N, or cpu,bf16, cuda,tf32 and cuda,bf16`,
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

function open(name: string, threads: number, isa: string, scratch: string): NativeDevice {
  const native = binding();
  return guarded(() => {
    try {
      return new native.Device(name, threads, isa, scratch);
    } catch (error) {
      if (name.startsWith('cpu') || native.cudaReport().built) throw error;
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
    eager = outsideScopes(() => new Device({ device: wanted === 'auto' ? 'cpu' : wanted, threads: 1 }));
  }
  return eager;
}

/**
 * Live memory of the engine in this process: what dispose() must bring back to 0.
 */
export function memory(): {
  /** On the host. */
  bytes: number;
  /** How many pieces. */
  blocks: number;
  /** On GPUs. */
  deviceBytes: number;
} {
  return binding().memory();
}
