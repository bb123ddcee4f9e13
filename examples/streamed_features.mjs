// Features from another library, streamed in: Meyda takes loudness, zero crossings and 13 cepstral coefficients of every
// 40 ms of sound; a model is trained on them, then predicts as the sound comes in.
import { predictionStream, stream, train } from 'circumplex';
import Meyda from 'meyda';

const RATE = 25;
const SAMPLES = 16_000;
const WINDOW = 1024; // samples around a frame's time; Meyda wants a power of two
Object.assign(Meyda, { sampleRate: SAMPLES, bufferSize: WINDOW, numberOfMFCCCoefficients: 13 });

/** Sound whose loudness follows arousal: noise and a tone. `[samples]` and gold `[frames, 2]`. */
function sound(seconds, phase) {
  const samples = new Float32Array(seconds * SAMPLES);
  const gold = new Float64Array(seconds * RATE * 2);
  const arousal = (t) => Math.sin(0.5 * t + phase);
  for (let i = 0; i < samples.length; i++) {
    const t = i / SAMPLES;
    samples[i] = 0.2 * Math.exp(arousal(t)) * (Math.sin(2 * Math.PI * 220 * t) + (Math.random() - 0.5));
  }
  for (let frame = 0; frame < seconds * RATE; frame++) {
    gold[2 * frame] = arousal(frame / RATE);
    gold[2 * frame + 1] = Math.cos(0.3 * (frame / RATE) + phase); // nothing in the sound tells it
  }
  return { samples, gold };
}

/** The features of one frame: 15 values. */
function featuresAt(samples, frame) {
  const start = Math.min(Math.round((frame / RATE) * SAMPLES), samples.length - WINDOW);
  const { rms, zcr, mfcc } = Meyda.extract(['rms', 'zcr', 'mfcc'], samples.subarray(start, start + WINDOW));
  return [rms, zcr / WINDOW, ...mfcc];
}

function recording(id, partition, { samples, gold }) {
  const length = gold.length / 2;
  const audio = new Float32Array(length * 15);
  for (let frame = 0; frame < length; frame++) audio.set(featuresAt(samples, frame), 15 * frame);
  return { id, partition, session: id, length, features: { audio }, targets: gold };
}

const data = {
  name: 'tones',
  rate: RATE,
  targets: ['arousal', 'valence'],
  modalities: { audio: { size: 15 } },
  sequences: [0, 1, 2, 3].map((i) => recording(`train_${i}`, 'train', sound(40, i))),
};
const model = { streams: [stream({ name: 'audio', hidden: 16 })], fusion: 'none' };
const run = await train(model, data, { epochs: 15, selection: 'none', learningRate: 0.01 });
for await (const { epoch, loss } of run) if (epoch % 5 === 0) console.log(`epoch ${epoch}: loss ${loss.toFixed(3)}`);

const heard = sound(20, 0.5);
const live = predictionStream(run.best(0));
run.dispose();
const said = [];
for (let frame = 0; frame < 20 * RATE; frame++) {
  const prediction = live.push({ audio: Float32Array.from(featuresAt(heard.samples, frame)) });
  if (prediction) said.push(prediction.arousal);
  if (prediction && frame % 100 === 99) {
    console.log(
      `${prediction.time.toFixed(2)} s: arousal ${prediction.arousal.toFixed(2)}, is ${heard.gold[2 * frame].toFixed(2)}`,
    );
  }
}
live.dispose();
const off = said.reduce((sum, value, frame) => sum + (value - heard.gold[2 * frame]) ** 2, 0) / said.length;
console.log(`mean squared error of arousal ${off.toFixed(3)}; of saying nothing, about 0.5`);
if (!(off < 0.25)) process.exitCode = 1;
