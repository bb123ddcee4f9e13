import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  type Dataset,
  fileError,
  makeDirectory,
  type Normaliser,
  readError,
  writeCurves,
  writeFileWhole,
} from '../data/index.ts';
import { CircumplexError } from '../errors.ts';
import { type Checkpoint, writeCheckpoint } from '../models/checkpoint.ts';
import { type Seen, writeSeen } from '../models/leaks.ts';
import type { Model } from '../models/model.ts';
import type { Prediction } from '../models/predict.ts';
import { decodeSafetensors, encodeSafetensors } from '../models/safetensors.ts';
import type { ReplicaProgress } from './progress.ts';
import type { EpochReport, Trainer } from './trainer.ts';

const STATE = 'state.safetensors';
const METRICS = 'metrics.jsonl';
/** TensorBoard finds a file by `tfevents` in its name; a directory is a run to it. */
const EVENTS = 'events.out.tfevents.circumplex';
const BLOCKS = ['parameters', 'first', 'second'] as const;

/** What a run's state holds besides tensors. */
interface StateRecord {
  epoch: number;
  progress: ReplicaProgress[];
  /** Bytes of metrics.jsonl that belong to the state, a replica each. */
  metrics: number[];
  /** The same of TensorBoard's event files; absent without. */
  events?: number[];
  normaliser: Normaliser;
  fingerprint: string;
}

/** What identifies a data set's contents: ids, partitions, sessions, lengths and every value. */
export function fingerprint(dataset: Dataset): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([dataset.rate, dataset.targets, dataset.modalities]));
  for (const s of dataset.sequences) {
    hash.update(JSON.stringify([s.id, s.partition, s.session, s.length]));
    for (const name of Object.keys(dataset.modalities)) hash.update(bytes(s.features[name] as Float32Array));
    if (s.targets) hash.update(bytes(s.targets));
  }
  return hash.digest('hex').slice(0, 32);
}

/** Where a replica's files lie in the directory of a run or of a cross-validation. */
export function replicaDirectory(directory: string, replica: number): string {
  return replica === 0 ? directory : join(directory, 'replicas', String(replica));
}

/** Writes curves to `predictions/<sequence>.csv` below a directory, and what the models had `seen` of the sequences. */
export async function writePredictions(
  directory: string,
  predictions: readonly Prediction[],
  seen: Seen,
): Promise<void> {
  const folder = join(directory, 'predictions');
  await makeDirectory(folder);
  for (const { sequence, targets, values, rate } of predictions) {
    await writeCurves(join(folder, `${sequence}.csv`), targets, values, rate);
  }
  await writeSeen(folder, seen);
}

/**
 * The files of a run. `state.safetensors`, renamed into place once an epoch, is the one commit point: everything else is
 * rebuilt from it, or cut to match it. Replica 0's files lie in the directory, replica r's in `replicas/<r>`.
 */
export class RunDirectory {
  #metrics: number[];
  /** Bytes of each replica's event file; null where none are written. */
  #events: number[] | null = null;

  private constructor(
    readonly path: string,
    private readonly replicas: number,
    private readonly fingerprint: string,
  ) {
    this.#metrics = new Array(replicas).fill(0);
  }

  /** @throws CircumplexError ERR_FILE when the directory is there and not empty, or no directory. */
  static async requireEmpty(path: string): Promise<void> {
    const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new CircumplexError('ERR_FILE', `${path} cannot be a run directory: ${error.message}`, { cause: error });
    });
    const present = names.filter((name) => !DRAFT.test(name));
    if (present.length === 0) return;
    throw new CircumplexError(
      'ERR_FILE',
      `${path} is not empty (${present.slice(0, 3).join(', ')}): choose another --out, or go on with --resume`,
    );
  }

  /**
   * A new run. @throws CircumplexError ERR_FILE when the directory is not empty or cannot be written.
   */
  static async create(path: string, replicas: number, dataset: Dataset, config: object): Promise<RunDirectory> {
    await makeDirectory(path);
    await RunDirectory.requireEmpty(path);
    await removeDrafts(path);
    const run = new RunDirectory(path, replicas, fingerprint(dataset));
    await run.#writeConfig({ ...config, fingerprint: run.fingerprint });
    for (let r = 0; r < replicas; r++) await makeDirectory(run.of(r));
    await run.#beginLogs('tensorboard' in config && config.tensorboard === true);
    return run;
  }

  /** The configuration of an existing run. @throws CircumplexError ERR_FILE when there is none, or not of a run. */
  static async config(path: string): Promise<Record<string, unknown>> {
    const file = join(path, 'config.json');
    if (!existsSync(file)) throw new CircumplexError('ERR_FILE', `${path} is no run directory: it has no config.json`);
    const config = await readConfig(file);
    if (Array.isArray((config?.model as Partial<Model> | undefined)?.streams)) return config as Record<string, unknown>;
    throw new CircumplexError('ERR_FILE', `${file} names no model: it is not what a training run has written`);
  }

  /** Takes up an existing run, and, unless it was stopped before its first epoch ended, its state. */
  static async resume(
    path: string,
    replicas: number,
    dataset: Dataset,
  ): Promise<{ run: RunDirectory; state: { record: StateRecord; restore(trainer: Trainer): void } | null }> {
    const run = new RunDirectory(path, replicas, fingerprint(dataset));
    const file = join(path, STATE);
    const config = await RunDirectory.config(path);
    if (config.fingerprint !== run.fingerprint) {
      throw new CircumplexError('ERR_DATA', `${path}: the data set has changed since the run was started`);
    }
    for (let r = 0; r < replicas; r++) {
      await makeDirectory(run.of(r));
      await removeDrafts(run.of(r));
    }
    if (!existsSync(file)) {
      await run.#beginLogs(config.tensorboard === true);
      return { run, state: null };
    }
    const state = await readFile(file).catch((error: unknown) => {
      throw readError(file, error);
    });
    const { metadata, tensors } = decodeSafetensors(state, file);
    const record = JSON.parse(metadata.state ?? 'null') as StateRecord | null;
    if (!record) throw new CircumplexError('ERR_CHECKPOINT', `${file} holds no training state`);
    run.#metrics = record.metrics;
    run.#events = record.events ?? null;
    const logs = [
      ...record.metrics.map((size, r) => ({ path: join(run.of(r), METRICS), size })),
      ...(record.events ?? []).map((size, r) => ({ path: join(run.of(r), EVENTS), size })),
    ];
    for (const { path, size } of logs) await requireSize(path, size);
    for (const { path, size } of logs) await cut(path, size);
    const restore = (trainer: Trainer) => {
      trainer.epoch = record.epoch;
      trainer.progress = record.progress.map((p) => ({ ...p, best: { ...p.best, score: p.best.score ?? -Infinity } }));
      for (let r = 0; r < replicas; r++) {
        const tensor = (name: string) => tensors.get(`${r}.${name}`)?.data;
        for (const block of BLOCKS) trainer.store.restore(r, tensor(block) as Float32Array, block);
        trainer.store.writeSteps(r, tensor('steps') as Int32Array);
        trainer.best[r] = (tensor('best') as Float32Array | undefined) ?? null;
      }
    };
    return { run, state: { record, restore } };
  }

  /** Writes settings that a resumed run changes to config.json, so that the next resumption knows them. */
  async updateConfig(changes: object): Promise<void> {
    const config = await RunDirectory.config(this.path);
    const updated = { ...config, ...changes };
    if (!isDeepStrictEqual(updated, config)) await this.#writeConfig(updated);
  }

  /** A replica's directory. */
  of(replica: number): string {
    return replicaDirectory(this.path, replica);
  }

  /** Appends the epoch's lines, then commits the state that they belong to. */
  async commit(trainer: Trainer, reports: readonly EpochReport[]): Promise<void> {
    for (const report of reports) {
      const line = Buffer.from(`${JSON.stringify(report)}\n`);
      await append(join(this.of(report.replica), METRICS), line);
      this.#metrics[report.replica] = (this.#metrics[report.replica] as number) + line.length;
    }
    await this.#appendEvents(reports);
    const tensors = new Map<string, { dims: number[]; data: Float32Array | Int32Array }>();
    for (let r = 0; r < this.replicas; r++) {
      const put = (name: string, data: Float32Array | Int32Array) =>
        tensors.set(`${r}.${name}`, { dims: [data.length], data });
      for (const block of BLOCKS) put(block, trainer.store.snapshot(r, block));
      put('steps', trainer.store.readSteps(r));
      const best = trainer.best[r];
      if (best) put('best', best);
    }
    const record: StateRecord = {
      epoch: trainer.epoch,
      progress: trainer.progress,
      metrics: this.#metrics,
      ...(this.#events ? { events: this.#events } : {}),
      normaliser: trainer.normaliser,
      fingerprint: this.fingerprint,
    };
    await writeFileWhole(
      join(this.path, STATE),
      encodeSafetensors({ metadata: { state: JSON.stringify(record) }, tensors }),
    );
  }

  /** Writes the best and the last checkpoint of every replica. */
  async writeCheckpoint(replica: number, which: 'best' | 'last', checkpoint: Checkpoint): Promise<void> {
    await writeCheckpoint(join(this.of(replica), `${which}.safetensors`), checkpoint);
  }

  /** Writes a replica's curves to `predictions/<sequence>.csv`. */
  async writePredictions(replica: number, predictions: readonly Prediction[], seen: Seen): Promise<void> {
    await writePredictions(this.of(replica), predictions, seen);
  }

  /** Empty metrics, and event files that hold no event, for every replica. */
  async #beginLogs(tensorboard: boolean): Promise<void> {
    for (let r = 0; r < this.replicas; r++) await writeFileWhole(join(this.of(r), METRICS), '');
    if (!tensorboard) return;
    const { eventsHeader } = await import('./tensorboard.ts');
    const header = eventsHeader(Date.now());
    for (let r = 0; r < this.replicas; r++) await writeFileWhole(join(this.of(r), EVENTS), header);
    this.#events = new Array<number>(this.replicas).fill(header.length);
  }

  async #appendEvents(reports: readonly EpochReport[]): Promise<void> {
    const sizes = this.#events;
    if (!sizes) return;
    // Loaded on use: few want it.
    const { epochEvent } = await import('./tensorboard.ts');
    for (const report of reports) {
      const event = epochEvent(report, Date.now());
      await append(join(this.of(report.replica), EVENTS), event);
      sizes[report.replica] = (sizes[report.replica] as number) + event.length;
    }
  }

  async #writeConfig(config: object): Promise<void> {
    await writeFileWhole(join(this.path, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  }
}

/** What `writeFileWhole` leaves beside a file when the process is killed while it writes. */
const DRAFT = /\.[0-9a-f]{12}\.tmp$/;

async function removeDrafts(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  for (const draft of names.filter((name) => DRAFT.test(name)).map((name) => join(path, name))) {
    await rm(draft, { force: true }).catch((error: unknown) => {
      throw fileError('remove', draft, error);
    });
  }
}

async function readConfig(file: string): Promise<Record<string, unknown> | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new CircumplexError('ERR_FILE', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws ERR_FILE when a file is absent, or shorter than the state says: what is missing cannot be made up. */
async function requireSize(path: string, size: number): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (existsSync(path)) throw readError(path, error);
    return null;
  });
  if (found && found.size >= size) return;
  const state = found ? `has ${found.size} bytes` : 'does not exist';
  const remedy = 'restore the file, or train anew in another --out';
  throw new CircumplexError('ERR_FILE', `${path} ${state}, but ${STATE} counts on ${size} bytes of it: ${remedy}`);
}

async function cut(path: string, size: number): Promise<void> {
  await truncate(path, size).catch((error: unknown) => {
    throw fileError('write', path, error);
  });
}

/** Appends whole, and flushes to the disk. */
async function append(path: string, data: Uint8Array): Promise<void> {
  try {
    const file = await open(path, 'a');
    try {
      await file.appendFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError('write', path, error);
  }
}

function bytes(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
