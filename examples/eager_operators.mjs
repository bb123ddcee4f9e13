// The operators one at a time, on typed arrays, forward and backward: for a pipeline that keeps its own parameters. An
// LSTM, a linear head and Adam learn to say at every frame with which sign a sequence began.
import { eager } from 'circumplex';

const [TIME, LANES, HIDDEN] = [12, 16, 8];
const draw = (size, bound = 0.5) => Float32Array.from({ length: size }, () => bound * (2 * Math.random() - 1));
const lstmSizes = { weightIh: 4 * HIDDEN, weightHh: 4 * HIDDEN * HIDDEN, biasIh: 4 * HIDDEN, biasHh: 4 * HIDDEN };
const sizes = { ...lstmSizes, headWeight: HIDDEN, headBias: 1 };
const state = new Map(Object.entries(sizes).map(([name, size]) => [name, { parameters: draw(size) }]));
const parameter = (name) => state.get(name).parameters;

for (let step = 1; step <= 150; step++) {
  const signs = Array.from({ length: LANES }, () => (Math.random() < 0.5 ? -1 : 1));
  const x = draw(TIME * LANES, 0.2).map((value, i) => (i < LANES ? signs[i] : value)); // [time, lane, 1]
  const target = Float32Array.from({ length: TIME * LANES }, (_, i) => signs[i % LANES]);

  const weights = Object.fromEntries(Object.keys(lstmSizes).map((name) => [name, parameter(name)]));
  const layer = eager.lstm({ x: { data: x, dims: [TIME, LANES, 1] }, weights: [weights], hidden: HIDDEN, layers: 1 });
  const h = { data: layer.y, dims: [TIME, LANES, HIDDEN] };
  const head = eager.linear({ x: h, weight: parameter('headWeight'), bias: parameter('headBias') });
  const dims = [TIME, LANES, 1];
  const loss = eager.mse({ y: { data: head.y, dims }, target: { data: target, dims } });

  const { y: dy } = loss.backward();
  const { x: dh, weight: headWeight, bias: headBias } = head.backward(dy);
  const gradients = { ...layer.backward(dh).weights[0], headWeight, headBias };
  for (const [name, moments] of state) {
    state.set(name, eager.adam({ ...moments, gradients: gradients[name], learningRate: 0.02 }));
  }
  for (const run of [layer, head, loss]) run.dispose();
  if (step % 50 === 0) console.log(`step ${step}: mean squared error ${loss.loss.toFixed(4)}`);
  if (step === 150 && !(loss.loss < 0.3)) process.exitCode = 1;
}
