import { CircumplexError } from '../../lib/errors.ts';
import { random } from '../../lib/random.ts';
import type { FuzzedFormat } from './formats.ts';

export interface FormatFigures {
  format: string;
  inputs: number;
  /** The others were refused. */
  read: number;
  /** All of them together, and the slowest alone. */
  seconds: number;
  slowest: number;
}

/** Seconds an input may take: they are small, and a reader is linear. */
const LIMIT_SECONDS = 1;
/** Bytes by which a format's inputs may raise this process' peak. */
const LIMIT_BYTES = 2 ** 29;

/** What an input did that none may; the message says how to do it again. */
export class FuzzFailure extends Error {}

/**
 * Gives damaged files to a reader. Input k is the same for the same seed and format, whatever came before.
 *
 * @param inputs how many, from number `first` on
 * @param progress is told each input's number before it is read
 * @throws FuzzFailure at the first that is neither read nor refused by a CircumplexError, within time and memory
 */
export function fuzz(
  format: FuzzedFormat,
  { inputs, seed, first = 0 }: { inputs: number; seed: number; first?: number },
  progress: (input: number) => void = () => {},
): FormatFigures {
  const figures = { format: format.name, inputs, read: 0, seconds: 0, slowest: 0 };
  const peak = peakBytes();
  for (let input = first; input < first + inputs; input++) {
    progress(input);
    const file = damagedFile(format, seed, input);
    const fail = (what: string, cause?: unknown) => {
      const again = `npm run fuzz -- --seed ${seed} --format ${format.name} --input ${input}`;
      return new FuzzFailure(`${format.name}, input ${input}: ${what}. Again: ${again}`, { cause });
    };
    let { seconds, isRead } = attempt(format, file, fail);
    // A busy machine may have been elsewhere.
    if (seconds > LIMIT_SECONDS) seconds = attempt(format, file, fail).seconds;
    if (seconds > LIMIT_SECONDS) throw fail(`it took ${seconds.toFixed(1)} s`);
    if (peakBytes() - peak > LIMIT_BYTES) throw fail(`the peak of memory rose by over ${LIMIT_BYTES} bytes`);
    figures.read += isRead ? 1 : 0;
    figures.seconds += seconds;
    figures.slowest = Math.max(figures.slowest, seconds);
  }
  return figures;
}

/** The file that input number `input` is. */
export function damagedFile(format: FuzzedFormat, seed: number, input: number): string | Uint8Array {
  return format.damage(random(seed, ...Buffer.from(format.name), input));
}

function attempt(
  format: FuzzedFormat,
  file: string | Uint8Array,
  fail: (what: string, cause: unknown) => FuzzFailure,
): { seconds: number; isRead: boolean } {
  const start = performance.now();
  let isRead = true;
  try {
    format.read(file);
  } catch (error) {
    if (!(error instanceof CircumplexError)) throw fail(String(error), error);
    isRead = false;
  }
  return { seconds: (performance.now() - start) / 1000, isRead };
}

function peakBytes(): number {
  return 1024 * process.resourceUsage().maxRSS;
}
