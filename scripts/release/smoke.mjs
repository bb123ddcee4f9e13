// What must work at once wherever the package is installed: trains for a moment, predicts, streams, aborts, gives memory
// back, does so in a worker thread too, and bears that one is terminated in mid-training. Prints a line of JSON;
// whatever fails ends it with an error.
import assert from 'node:assert';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  CircumplexError,
  Device,
  memory,
  predict,
  predictionStream,
  presetSettings,
  presets,
  synthesize,
  train,
} from 'circumplex';

const data = synthesize({ seconds: 6, seed: 5, sequences: { train: 3, dev: 1, test: 0 } });
const model = presets.lucas2020(data);
const options = { ...presetSettings.lucas2020, epochs: 2, bypass: 1, replicas: 2, selection: 'none', device: 'cpu' };

async function trainAndPredict() {
  const run = await train(model, data, options);
  const losses = [];
  for await (const { loss } of run) losses.push(loss);
  const checkpoint = run.best(0);
  run.dispose();
  assert(losses.length === 4 && losses.every(Number.isFinite), `losses ${losses}`);
  const recording = data.sequence('dev_1');
  const { valence } = await predict(checkpoint, recording, { device: 'cpu' });
  assert.deepEqual(stream(checkpoint, recording), [...valence], 'the stream differs from the whole sequence');
  return { losses, valence: [...valence] };
}

function stream(checkpoint, { features, length }) {
  const live = predictionStream(checkpoint);
  const seen = [];
  for (let t = 0; t < length; t++) {
    const frame = Object.entries(data.modalities).map(([name, { size }]) => {
      return [name, features[name].subarray(t * size, (t + 1) * size)];
    });
    const prediction = live.push(Object.fromEntries(frame));
    if (prediction) seen.push(prediction.valence);
  }
  for (const { valence } of live.finish()) seen.push(valence);
  live.dispose();
  return seen;
}

async function abort() {
  const controller = new AbortController();
  const run = await train(model, data, { ...options, epochs: 10_000, signal: controller.signal });
  const reason = new Error('enough');
  await assert.rejects(
    async () => {
      for await (const { epoch } of run) if (epoch === 2) controller.abort(reason);
    },
    (error) => error instanceof CircumplexError && error.code === 'ERR_ABORTED' && error.cause === reason,
  );
  run.dispose();
}

function instructionSet() {
  const device = new Device({ device: 'cpu' });
  try {
    return device.description;
  } finally {
    device.dispose();
  }
}

async function smoke() {
  const results = await trainAndPredict();
  await abort();
  return { isa: instructionSet(), ...results };
}

/** Goes on until its thread is ended. */
async function trainForever() {
  const run = await train(model, data, { ...options, epochs: 1_000_000, patience: 1_000_000 });
  for await (const { epoch } of run) if (epoch === 1) parentPort.postMessage('training');
}

async function worker(endless) {
  const thread = new Worker(new URL(import.meta.url), { workerData: { endless } });
  const failed = new Promise((_, reject) => thread.once('error', reject));
  const [message] = await Promise.race([once(thread, 'message'), failed]);
  await thread.terminate();
  return message;
}

function nothingIsLeft() {
  const { bytes, blocks } = memory();
  assert.deepEqual([bytes, blocks], [0, 0], 'memory was not given back');
}

if (isMainThread) {
  const own = await smoke();
  assert.deepEqual(await worker(false), own, 'a worker thread came to something else');
  nothingIsLeft();
  assert.equal(await worker(true), 'training');
  // Deno tells an addon nothing of the end of a worker that has a run in progress.
  if (!('Deno' in globalThis)) nothingIsLeft();
  console.log(JSON.stringify(own));
} else if (workerData.endless) {
  await trainForever();
} else {
  parentPort.postMessage(await smoke());
}
