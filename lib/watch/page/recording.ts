import type { CurveName, CurvesHead, ErrorBody } from '../protocol.ts';

/** Rows of a window's weights that are fetched together. */
const BLOCK = 2048;

const NONE = new Float32Array(0);

/** A recording's curves, as the server computed them. */
export class Recording {
  /** By name, a curve a target. */
  readonly #curves: ReadonlyMap<string, readonly Float32Array[]>;
  readonly #weights: Float32Array;
  readonly #windows: ReadonlyMap<string, WindowWeights>;

  private constructor(
    readonly head: CurvesHead,
    curves: ReadonlyMap<string, Float32Array>,
    weights: Float32Array,
  ) {
    const { targets, frames } = head;
    const ofTargets = (values: Float32Array) => targets.map((_, k) => values.subarray(k * frames, (k + 1) * frames));
    this.#curves = new Map([...curves].map(([name, values]) => [name, ofTargets(values)]));
    this.#weights = weights;
    this.#windows = new Map(
      Object.entries(head.windows).map(([stream, { frames, window }]) => {
        return [stream, new WindowWeights(`${place(head.id)}/arrays/window.${stream}`, frames, window)];
      }),
    );
  }

  /** @throws Error with the server's message, or AbortError */
  static async fetch(id: string, signal: AbortSignal): Promise<Recording> {
    const head = (await (await get(place(id), { signal })).json()) as CurvesHead;
    const floats = async (name: string) => {
      const answer = await get(`${place(id)}/arrays/${name}`, { signal });
      return new Float32Array(await answer.arrayBuffer());
    };
    const names = head.curves;
    const arrays = await Promise.all(names.map(floats));
    const weights = head.weights ? await floats('weights') : new Float32Array(0);
    return new Recording(head, new Map(names.map((name, i) => [name, arrays[i] as Float32Array])), weights);
  }

  /** Of the last frame, s. */
  get end(): number {
    return Math.max(0, this.head.frames - 1) / this.head.rate;
  }

  has(name: CurveName): boolean {
    return this.#curves.has(name);
  }

  /** [frame]; empty where there is no such curve. */
  curve(name: CurveName, target: number): Float32Array {
    return this.#curves.get(name)?.[target] ?? NONE;
  }

  /** The frame that stands at a time. */
  frame(time: number): number {
    return clamp(Math.round(time * this.head.rate), this.head.frames);
  }

  value(name: CurveName, target: number, time: number): number {
    return this.curve(name, target)[this.frame(time)] ?? Number.NaN;
  }

  /** The fusion's weight of a stream, by frame of its own rate. */
  weights(target: number, stream: number): Float32Array {
    const { streams = [], frames = 0 } = this.head.weights ?? {};
    const first = (target * streams.length + stream) * frames;
    return this.#weights.subarray(first, first + frames);
  }

  weight(target: number, stream: number, time: number): number {
    const { rate = 1, frames = 0 } = this.head.weights ?? {};
    return this.weights(target, stream)[held(time, rate, frames)] ?? Number.NaN;
  }

  /** The weights of a stream's window at a time, [place]; null while they are fetched, and `onArrival` is told then. */
  window(stream: string, time: number, onArrival: () => void): Float32Array | null {
    const { rate, frames } = this.head.windows[stream] as CurvesHead['windows'][string];
    return this.#windows.get(stream)?.row(held(time, rate, frames), onArrival) ?? null;
  }
}

/** A frame's weights out of a large array [frame, place], of which only what is looked at is fetched. */
class WindowWeights {
  readonly #blocks = new Map<number, Float32Array | 'asked'>();

  constructor(
    private readonly path: string,
    private readonly frames: number,
    private readonly window: number,
  ) {}

  row(frame: number, onArrival: () => void): Float32Array | null {
    const index = Math.floor(frame / BLOCK);
    const block = this.#blocks.get(index);
    if (block === undefined) this.#fetch(index).then(onArrival, () => this.#blocks.delete(index));
    if (!(block instanceof Float32Array)) return null;
    const next = index + 1;
    const isNear = frame % BLOCK > BLOCK / 2 && next * BLOCK < this.frames;
    if (isNear && !this.#blocks.has(next)) this.#fetch(next).catch(() => this.#blocks.delete(next));
    const first = (frame % BLOCK) * this.window;
    return block.subarray(first, first + this.window);
  }

  async #fetch(index: number): Promise<void> {
    this.#blocks.set(index, 'asked');
    const size = BLOCK * this.window * Float32Array.BYTES_PER_ELEMENT;
    const headers = { Range: `bytes=${index * size}-${(index + 1) * size - 1}` };
    const answer = await get(this.path, { headers });
    this.#blocks.set(index, new Float32Array(await answer.arrayBuffer()));
  }
}

export function place(id: string): string {
  return `recordings/${encodeURIComponent(id)}`;
}

async function get(path: string, options: RequestInit): Promise<Response> {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => null)) as ErrorBody | null;
  throw new Error(said?.error.message ?? `${path} is not to be had (${answer.status})`);
}

/** The frame of a slower clock that is held at a time. */
function held(time: number, rate: number, frames: number): number {
  return clamp(Math.floor(time * rate + 1e-9), frames);
}

function clamp(frame: number, frames: number): number {
  return Math.max(0, Math.min(frames - 1, frame));
}
