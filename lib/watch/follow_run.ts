import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { RunDirectory, replicaDirectory } from '../training/index.ts';
import type { EpochLine, EpochsEvent, RunEvent } from './protocol.ts';

/** A new epoch is to appear within a second. */
const INTERVAL = 500;

/** What its config.json says of a run. */
interface Plan {
  epochs: number;
  replicas: number;
  /** Whether it is a cross-validation. */
  isFolded: boolean;
}

/** A file of epochs, and its lines so far. */
interface Followed {
  part: string;
  replica: number;
  path: string;
  /** Size and time of the last reading. */
  mark: string;
  /** Whole lines that could be read, as they stand in the file. */
  texts: string[];
  lines: EpochLine[];
}

/**
 * Follows a run directory, or that of a cross-validation, while somebody trains into it. Its files are looked at twice a
 * second and read whole when they have changed: what a resumed run has cut off disappears, and a last line that is not
 * complete yet is waited for.
 */
export class RunFollower {
  readonly #directory: string;
  readonly #tell: (event: RunEvent | EpochsEvent) => void;
  readonly #files = new Map<string, Followed>();
  #plan: Plan;
  #planMark: string;
  #parts: string[] = [];
  #isFinished = false;
  #changed: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #polling: Promise<void> | null = null;

  private constructor(directory: string, plan: Plan, mark: string, tell: (event: RunEvent | EpochsEvent) => void) {
    this.#directory = directory;
    this.#plan = plan;
    this.#planMark = mark;
    this.#tell = tell;
  }

  /**
   * Takes up a directory; `start` then follows it.
   *
   * @param tell what has changed: epochs, or the run itself
   * @throws ERR_FILE where it is no run directory
   */
  static async open(directory: string, tell: (event: RunEvent | EpochsEvent) => void): Promise<RunFollower> {
    const plan = await planOf(directory);
    const follower = new RunFollower(directory, plan, await markOf(join(directory, 'config.json')), tell);
    await follower.poll();
    return follower;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      // What cannot be read now, while it is being written or moved, can be half a second later.
      this.poll().catch(() => {});
    }, INTERVAL);
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The run, and all its epochs so far. */
  snapshot(): (RunEvent | EpochsEvent)[] {
    const epochs = [...this.#files.values()].map(({ part, replica, lines }) => {
      return { type: 'epochs', part, replica, keep: 0, lines } satisfies EpochsEvent;
    });
    return [this.#event(), ...epochs];
  }

  /** Looks at the files once. */
  poll(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = null;
    });
    return this.#polling;
  }

  async #poll(): Promise<void> {
    let hasChanged = await this.#readPlan();
    const parts = await this.#findParts();
    for (const part of parts) {
      for (let replica = 0; replica < this.#plan.replicas; replica++) {
        const file = this.#fileOf(part, replica);
        const event = await changes(file);
        if (!event) continue;
        this.#changed = Date.now();
        this.#tell(event);
        hasChanged = true;
      }
    }
    const isFinished = await this.#lookWhetherFinished();
    hasChanged ||= isFinished !== this.#isFinished || parts.length !== this.#parts.length;
    this.#isFinished = isFinished;
    this.#parts = parts;
    if (hasChanged) this.#tell(this.#event());
  }

  #event(): RunEvent {
    const { epochs, replicas } = this.#plan;
    return {
      type: 'run',
      directory: basename(resolve(this.#directory)),
      epochs,
      replicas,
      parts: this.#parts,
      finished: this.#isFinished,
      quiet: this.#changed === null ? null : Date.now() - this.#changed,
    };
  }

  /** A resumed run may have been given more epochs. */
  async #readPlan(): Promise<boolean> {
    const mark = await markOf(join(this.#directory, 'config.json'));
    if (mark === this.#planMark) return false;
    this.#plan = await planOf(this.#directory);
    this.#planMark = mark;
    return true;
  }

  /** The folds in the order in which they began. */
  async #findParts(): Promise<string[]> {
    if (!this.#plan.isFolded) return [''];
    const names = await readdir(join(this.#directory, 'folds')).catch((): string[] => []);
    const known = this.#parts.filter((part) => names.includes(part));
    const fresh = names.filter((name) => !known.includes(name));
    const begun = await Promise.all(
      fresh.map(async (name) => ({
        name,
        at: (await statOf(join(this.#partDirectory(name), 'config.json')))?.mtimeMs,
      })),
    );
    const sorted = begun
      .flatMap(({ name, at }) => (at === undefined ? [] : [{ name, at }]))
      .sort((a, b) => a.at - b.at);
    return [...known, ...sorted.map(({ name }) => name)];
  }

  #partDirectory(part: string): string {
    return part === '' ? this.#directory : join(this.#directory, 'folds', part);
  }

  #fileOf(part: string, replica: number): Followed {
    const path = join(replicaDirectory(this.#partDirectory(part), replica), 'metrics.jsonl');
    const known = this.#files.get(path);
    if (known) return known;
    const file: Followed = { part, replica, path, mark: '', texts: [], lines: [] };
    this.#files.set(path, file);
    return file;
  }

  /** What is written last is younger than what is written while a run trains. */
  async #lookWhetherFinished(): Promise<boolean> {
    const { isFolded, replicas } = this.#plan;
    const [last, earlier] = isFolded
      ? ['report.html', 'config.json'].map((name) => join(this.#directory, name))
      : [
          join(replicaDirectory(this.#directory, replicas - 1), 'last.safetensors'),
          join(this.#directory, 'state.safetensors'),
        ];
    const [written, trained] = await Promise.all([last, earlier].map((path) => statOf(path as string)));
    return written !== null && written !== undefined && written.mtimeMs >= (trained?.mtimeMs ?? 0);
  }
}

async function planOf(directory: string): Promise<Plan> {
  const { epochs, replicas, cv } = await RunDirectory.config(directory);
  return { epochs: Number(epochs), replicas: Number(replicas), isFolded: cv !== undefined && cv !== null };
}

async function changes(file: Followed): Promise<EpochsEvent | null> {
  const mark = await markOf(file.path);
  if (mark === file.mark) return null;
  const text = await readFile(file.path, 'utf8').catch(() => '');
  const { texts, lines } = wholeLines(text);
  const different = texts.findIndex((line, i) => line !== file.texts[i]);
  const keep = different < 0 ? texts.length : different;
  const isSame = keep === texts.length && keep === file.texts.length;
  Object.assign(file, { mark, texts, lines });
  if (isSame) return null;
  return { type: 'epochs', part: file.part, replica: file.replica, keep, lines: lines.slice(keep) };
}

/** The lines that are complete, and are epochs. */
function wholeLines(text: string): { texts: string[]; lines: EpochLine[] } {
  const complete = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const read = complete.flatMap((own) => {
    const line = parse(own);
    return line === null ? [] : [{ own, line }];
  });
  return { texts: read.map(({ own }) => own), lines: read.map(({ line }) => line) };
}

function parse(text: string): EpochLine | null {
  try {
    const line = JSON.parse(text);
    return Number.isInteger(line?.epoch) ? (line as EpochLine) : null;
  } catch {
    return null;
  }
}

async function statOf(path: string) {
  return stat(path).catch(() => null);
}

/** Changes whenever the file does. */
async function markOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`;
}
