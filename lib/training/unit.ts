import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, readNpy, readText, writeFileWhole, writeNpy } from '../data/index.ts';
import { writeCheckpoint } from '../models/checkpoint.ts';
import type { Model } from '../models/model.ts';
import { predict } from '../models/predict.ts';
import { medianReplica } from './median.ts';
import type { TrainOptions } from './options.ts';
import type { Part } from './parts.ts';
import { train } from './train.ts';
import type { EpochReport } from './trainer.ts';

/** What a system came to on one part of the data. */
export interface Unit {
  /** The epoch that each replica kept; none where nothing is trained by epochs. */
  epochs: number[];
  /** Each replica's selection score at that epoch, the mean of up to three epochs; null without a selection. */
  selection: (number | null)[];
  /** The replica whose selection score is the median; of two in the middle, the lower. */
  median: number;
  notes: string[];
  seconds: number;
  /** What was chosen on the part's own training sequences, besides the epoch; any JSON. */
  chosen?: unknown;
  /** By sequence held out: a curve [frame, target] a replica. */
  predictions: Record<string, Float32Array[]>;
}

const RESULT = 'result.json';

/** The checkpoint of a finished unit's median replica. */
export function medianCheckpoint(directory: string): string {
  return join(directory, 'median.safetensors');
}

/**
 * Trains a model on a part and predicts what is held out, or takes up what an earlier call has left in `directory`.
 * `result.json`, written last, is what makes a unit finished.
 *
 * @throws as `train`
 */
export async function runUnit(
  directory: string,
  part: Part,
  model: Model,
  options: TrainOptions,
  onReport: (report: EpochReport) => void = () => {},
): Promise<Unit> {
  if (isFinished(directory)) return readUnit(directory, part);
  await rm(directory, { recursive: true, force: true });
  const started = performance.now();
  const run = await train(model, part.dataset, options);
  try {
    for await (const report of run) onReport(report);
    const selection = Array.from({ length: run.config.replicas }, (_, r) => run.selectionScore(r));
    const replicas = Array.from({ length: run.config.replicas }, (_, r) => run.best(r));
    const predictions: Record<string, Float32Array[]> = Object.fromEntries(part.held.map((s) => [s.id, []]));
    const { device, threads, isa, scratch, signal } = options;
    for (const checkpoint of replicas) {
      const settings = { device, threads, isa, scratch, ...(signal ? { signal } : {}) };
      for (const { sequence, values } of await predict(checkpoint, part.dataset, part.held, settings)) {
        predictions[sequence]?.push(Float32Array.from(values));
      }
    }
    const unit: Unit = {
      epochs: replicas.map((checkpoint) => checkpoint.epoch as number),
      selection,
      median: medianReplica(selection),
      notes: run.notes,
      seconds: (performance.now() - started) / 1000,
      predictions,
    };
    await makeDirectory(directory);
    await writeCheckpoint(medianCheckpoint(directory), run.best(unit.median));
    await writeUnit(directory, unit, part);
    return unit;
  } finally {
    run.dispose();
  }
}

/** Whether an earlier call has left a whole unit. */
export function isFinished(directory: string): boolean {
  return existsSync(join(directory, RESULT));
}

export async function writeUnit(directory: string, { predictions, ...rest }: Unit, part: Part): Promise<void> {
  await makeDirectory(join(directory, 'predictions'));
  for (const { id, length } of part.held) {
    const curves = predictions[id] as Float32Array[];
    const targets = part.dataset.targets.length;
    const all = new Float32Array(curves.length * length * targets);
    curves.forEach((curve, replica) => {
      all.set(curve, replica * length * targets);
    });
    await writeNpy(predictionPath(directory, id), all, [curves.length, length, targets]);
  }
  await writeFileWhole(join(directory, RESULT), `${JSON.stringify(rest, null, 2)}\n`);
}

export async function readUnit(directory: string, part: Part): Promise<Unit> {
  const rest = JSON.parse(await readText(join(directory, RESULT))) as Omit<Unit, 'predictions'>;
  const predictions: Unit['predictions'] = {};
  for (const { id } of part.held) {
    const { data, shape } = await readNpy(predictionPath(directory, id));
    const size = data.length / (shape[0] as number);
    const replicas = Array.from({ length: shape[0] as number }, (_, r) => r * size);
    predictions[id] = replicas.map((start) => data.slice(start, start + size) as Float32Array);
  }
  return { ...rest, predictions };
}

function predictionPath(directory: string, sequence: string): string {
  return join(directory, 'predictions', `${sequence}.npy`);
}
