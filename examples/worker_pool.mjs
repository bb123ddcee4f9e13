// Predicts many recordings in a pool of worker threads. Features and curves lie in SharedArrayBuffers, so nothing is
// copied between threads; each worker reads the checkpoint once and computes with one thread.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { predict, presetSettings, presets, readCheckpoint, synthesize, train, writeCheckpoint } from 'circumplex';

if (isMainThread) await main();
else await serve();

/** A worker: predicts what it is sent. */
async function serve() {
  const checkpoint = await readCheckpoint(workerData);
  parentPort.on('message', async ({ recording, curves }) => {
    const prediction = await predict(checkpoint, recording, { threads: 1 });
    checkpoint.targets.forEach((target, i) => {
      curves[i].set(prediction[target]);
    });
    parentPort.postMessage(recording.id);
  });
}

/** A Float32Array that threads share. */
function shared(length) {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'));
  const file = join(folder, 'best.safetensors');
  const data = synthesize({ seed: 4 });
  const run = await train(presets.lucas2020(data), data, { ...presetSettings.lucas2020, epochs: 2, bypass: 1 });
  for await (const _ of run);
  await writeCheckpoint(file, run.best(0));
  run.dispose();

  const jobs = data.sequences.map((sequence) => {
    const features = Object.fromEntries(
      Object.entries(sequence.features).map(([name, values]) => {
        const copy = shared(values.length);
        copy.set(values);
        return [name, copy];
      }),
    );
    return { recording: { ...sequence, features }, curves: data.targets.map(() => shared(sequence.length)) };
  });

  const waiting = [...jobs];
  const workers = Array.from({ length: Math.min(availableParallelism(), 4) }, () => {
    return new Worker(new URL(import.meta.url), { workerData: file });
  });
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise((resolve, reject) => {
          const next = () => {
            const job = waiting.shift();
            if (job) worker.postMessage(job);
            else resolve(worker.terminate());
          };
          worker.on('message', next).on('error', reject);
          next();
        }),
    ),
  );
  for (const { recording, curves } of jobs) {
    const means = curves.map((curve) => (curve.reduce((sum, value) => sum + value, 0) / curve.length).toFixed(3));
    console.log(`${recording.id}: ${data.targets.map((target, i) => `mean ${target} ${means[i]}`).join(', ')}`);
  }
  rmSync(folder, { recursive: true });
}
