// A new fusion of two networks in thirty lines: one gate a target, between the predictions from sound and from picture,
// that looks at both of their states: z = g y_audio + (1 - g) y_video, g = sigmoid([h_audio, h_video] W + b).
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

/** z and the gate g `[time, lane, target]` from the streams' states h and predictions y. */
function gatedFusion(graph, [a, b], targets, parameter) {
  const states = op.concat(graph, [a.h, b.h]);
  const width = states.dims[2];
  const asked = op.linear(graph, states, parameter('gate.weight', [targets, width]), parameter('gate.bias', [targets]));
  const gate = op.sigmoid(graph, asked);
  const minus = op.fill(graph, [...b.y.dims], -1);
  const difference = op.add(graph, a.y, op.mul(graph, b.y, minus));
  return { z: op.add(graph, b.y, op.mul(graph, gate, difference)), gate };
}

const HIDDEN = 12;
const data = synthesize({ seed: 2 });
const recordings = data.sequences.filter(({ partition }) => partition === 'train');
const targets = data.targets.length;

const device = new Device({ device: 'cpu' });
const columns = new Columns(
  device,
  recordings.map(({ length }) => length),
);
for (const [name, { size }] of Object.entries(data.modalities)) columns.add(name, size);
columns.add('targets', targets);
for (const [index, recording] of recordings.entries()) {
  for (const name of Object.keys(data.modalities)) columns.write(name, index, recording.features[name]);
  columns.write('targets', index, Float32Array.from(recording.targets));
}

const graph = new Graph({ replicas: 1, lanes: recordings.length, chunk: 100 });
const parameter = (name, dims) =>
  graph.parameter({ name, dims, initial: { kind: 'uniform', bound: 0.3 }, trainable: true, bypassed: false });
const streams = Object.entries(data.modalities).map(([name, { size }]) => {
  const { values } = op.gather(graph, columns, name);
  const weights = {
    weightIh: parameter(`${name}.weight_ih`, [4 * HIDDEN, size]),
    weightHh: parameter(`${name}.weight_hh`, [4 * HIDDEN, HIDDEN]),
    biasIh: parameter(`${name}.bias_ih`, [4 * HIDDEN]),
    biasHh: parameter(`${name}.bias_hh`, [4 * HIDDEN]),
  };
  const { y: h } = op.lstm(graph, values, [weights], { hidden: HIDDEN, layers: 1 });
  const y = op.linear(graph, h, parameter(`${name}.head`, [targets, HIDDEN]), parameter(`${name}.bias`, [targets]));
  return { h, y };
});
const { z, gate } = gatedFusion(graph, streams, targets, parameter);
const loss = op.mse(graph, z, op.gatherTargets(graph, columns, 'targets'));
differentiate(graph);
const store = Store.for(device, graph);
store.initialise(0);
op.adam(graph, store, loss.sums, { clip: 5 });
const program = new Program(device, graph, store);

const pass = schedule([...recordings.keys()], columns.lengths, recordings.length, graph.sizes.chunk);
for (let epoch = 1; epoch <= 8; epoch++) {
  program.clear(loss.totals);
  await program.run(pass, { columns, settings: { learningRate: Float32Array.of(0.01), epoch } });
  const [sum, count] = program.readDoubles(loss.totals);
  const gates = program.readFloats(gate);
  const trusted = gates.reduce((total, value) => total + value, 0) / gates.length;
  console.log(`epoch ${epoch}: loss ${(sum / count).toFixed(4)}, the sound's share ${trusted.toFixed(2)}`);
}
for (const resource of [program, store, columns, device]) resource.dispose();
