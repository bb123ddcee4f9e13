// A loss of one's own, written from operators: the mean of tanh((y - t)^2), which an outlier among the gold values can
// hardly move. Its gradient starts from `differentiate`'s seed.
import {
  Columns,
  Device,
  differentiate,
  Graph,
  operators as op,
  Program,
  Store,
  schedule,
  synthesize,
} from 'circumplex';

/** The mean of tanh((y - t)^2) over the chunk's frames; every frame of `t` must be labelled. */
function robustLoss(graph, y, t) {
  const minus = op.fill(graph, [...t.dims], -1);
  const error = op.add(graph, y, op.mul(graph, t, minus));
  return op.mean(graph, op.tanh(graph, op.mul(graph, error, error)));
}

const data = synthesize({ seed: 1 });
const recordings = data.sequences.filter(({ partition }) => partition === 'train');
const sizes = { audio: data.modalities.audio.size, targets: data.targets.length };

const device = new Device({ device: 'cpu' });
const columns = new Columns(
  device,
  recordings.map(({ length }) => length),
);
for (const [name, size] of Object.entries(sizes)) columns.add(name, size);
for (const [index, { features, targets }] of recordings.entries()) {
  columns.write('audio', index, features.audio);
  // Gold lies half a unit higher than it should, and one rating in 50 is absurd.
  const noisy = Float32Array.from(targets, (value) => (Math.random() < 0.02 ? 20 : value + 0.5));
  columns.write('targets', index, noisy);
}

async function train(chosen) {
  const graph = new Graph({ replicas: 1, lanes: recordings.length, chunk: 100 });
  const parameter = (name, dims) =>
    graph.parameter({ name, dims, initial: { kind: 'zeros' }, trainable: true, bypassed: false });
  const { values } = op.gather(graph, columns, 'audio');
  const y = op.linear(graph, values, parameter('weight', [sizes.targets, sizes.audio]), parameter('bias', [2]));
  const targets = op.gatherTargets(graph, columns, 'targets');
  const squared = op.mse(graph, y, targets, chosen === 'mse' ? 1 : 0); // with weight 0 it counts the labelled frames
  const seeds = chosen === 'mse' ? [] : [[robustLoss(graph, y, targets), op.fill(graph, [1], 1)]];
  differentiate(graph, seeds);
  const store = Store.for(device, graph);
  op.adam(graph, store, squared.sums);
  const program = new Program(device, graph, store);
  const pass = schedule([...recordings.keys()], columns.lengths, recordings.length, 100);
  for (let epoch = 0; epoch < 20; epoch++) {
    await program.run(pass, { columns, settings: { learningRate: Float32Array.of(0.01) } });
  }
  const bias = store.read('bias', 0);
  program.dispose();
  store.dispose();
  return bias;
}

const plain = await train('mse');
const robust = await train('robust');
// The absurd ratings pull the mean squared error's answer up by .4; that of the other is the half unit.
console.log(`bias of arousal: ${plain[0].toFixed(2)} by squared errors, ${robust[0].toFixed(2)} by the robust loss`);
if (!(Math.abs(robust[0] - 0.5) < 0.15 && plain[0] > 0.7)) process.exitCode = 1;
columns.dispose();
device.dispose();
