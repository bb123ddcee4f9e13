// A training loop of one's own: a graph of operators, differentiated, planned once, and run an epoch at a time. What
// changes between epochs, here the learning rate, is given with each run.
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

const HIDDEN = 16;
const data = synthesize({ seed: 1 });
const recordings = data.sequences.filter(({ partition }) => partition === 'train');
const features = data.modalities.audio.size;

const device = new Device({ device: 'cpu' });
const columns = new Columns(
  device,
  recordings.map(({ length }) => length),
);
columns.add('audio', features);
columns.add('targets', data.targets.length);
for (const [index, { features, targets }] of recordings.entries()) {
  columns.write('audio', index, features.audio);
  columns.write('targets', index, Float32Array.from(targets));
}

const lanes = recordings.length; // all recordings side by side, 100 frames a step
const graph = new Graph({ replicas: 1, lanes, chunk: 100 });
const parameter = (name, dims) =>
  graph.parameter({
    name,
    dims,
    initial: { kind: 'uniform', bound: 1 / Math.sqrt(HIDDEN) },
    trainable: true,
    bypassed: false,
  });
const layer = (index, inputs) => ({
  weightIh: parameter(`weight_ih_l${index}`, [4 * HIDDEN, inputs]),
  weightHh: parameter(`weight_hh_l${index}`, [4 * HIDDEN, HIDDEN]),
  biasIh: parameter(`bias_ih_l${index}`, [4 * HIDDEN]),
  biasHh: parameter(`bias_hh_l${index}`, [4 * HIDDEN]),
});

const { values } = op.gather(graph, columns, 'audio');
const { y: h } = op.lstm(graph, values, [layer(0, features), layer(1, HIDDEN)], { hidden: HIDDEN, layers: 2 });
const y = op.linear(graph, h, parameter('head.weight', [data.targets.length, HIDDEN]), parameter('head.bias', [2]));
const loss = op.mse(graph, y, op.gatherTargets(graph, columns, 'targets'));
differentiate(graph);
const store = Store.for(device, graph);
store.initialise(0);
op.adam(graph, store, loss.sums, { clip: 5 });

const program = new Program(device, graph, store);
const pass = schedule([...recordings.keys()], columns.lengths, lanes, graph.sizes.chunk);
for (let epoch = 1; epoch <= 8; epoch++) {
  program.clear(loss.totals);
  const learningRate = Float32Array.of(0.01 * 0.8 ** (epoch - 1));
  await program.run(pass, { columns, settings: { learningRate, epoch } });
  const [sum, count] = program.readDoubles(loss.totals);
  console.log(`epoch ${epoch}: mean squared error ${(sum / count).toFixed(4)}`);
}
for (const resource of [program, store, columns, device]) resource.dispose();
