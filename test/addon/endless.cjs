// A worker that starts a run of a million chunks on the raw addon and tells its parent when the first ones are done.
'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const addon = require(workerData.addon);

const device = new addon.Device('cpu', 2, '');
const program = new addon.Program(device, {
  replicas: 1,
  lanes: 4,
  chunk: 50,
  buffers: [
    { type: 'f32', replicated: true, dims: [50, 4, 64] },
    { type: 'f32', replicated: true, dims: [50, 4, 64] },
  ],
  calls: [{ op: 'tanh', inputs: [0], outputs: [1], attributes: {} }],
});
const row = [0, 1, 2, 3].flatMap((lane) => [lane, 0, 50, 50]);
const schedule = new Int32Array(row.length * 1_000_000);
for (let i = 0; i < schedule.length; i += row.length) schedule.set(row, i);
const settings = {
  learningRate: new Float32Array(1),
  active: new Uint8Array([1]),
  seed: new Uint32Array(1),
  epoch: 0,
  bypass: false,
};
for (let i = 0; i < (workerData.runs ?? 1); i++) {
  program.run(schedule, settings, null, 0, 1, (done) => parentPort.postMessage(done)).promise.catch(() => {});
}
if (workerData.exit) setTimeout(() => process.exit(0), workerData.exit);
