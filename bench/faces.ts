/**
 * How fast are the features of faces, stage by stage? Processor time a frame on the recordings named, for each runtime of
 * face-api's networks, on one thread. --rate HZ (25; 5 without --full), --out FILE. Needs ffmpeg, and `npm install --prefix bench`.
 */
import { parseArgs } from 'node:util';
import type { Detection } from '../lib/features/faces/face.ts';
import { type FaceApi, type FaceApiRuntimeName, faceApi } from '../lib/features/faces/face_api.ts';
import { FaceFollower } from '../lib/features/faces/follower.ts';
import { pictures } from '../lib/features/pictures.ts';
import { full, machine, table, writeResult } from './harness.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { full: { type: 'boolean' }, rate: { type: 'string' }, out: { type: 'string' } },
});
const rate = Number(values.rate ?? (full ? 25 : 5));

const DETECTION = { name: 'face-api', network: 'tiny', input: 160, score: 0.5 } as const;
const STAGES = ['decode', 'detect', 'follow', 'landmarks', 'descriptor', 'expressions'] as const;
type Stage = (typeof STAGES)[number];

/** Milliseconds of this process's processor time; ffmpeg's own is not in it. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Measured {
  runtime: FaceApiRuntimeName;
  recording: string;
  frames: number;
  /** With a face. */
  seen: number;
  /** Milliseconds a frame. */
  stages: Record<Stage, number>;
  framesPerSecond: number;
}

async function measure(api: FaceApi, runtime: FaceApiRuntimeName, recording: string): Promise<Measured> {
  const stages = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  const timed = async <T>(stage: Stage, work: () => T | Promise<T>): Promise<T> => {
    const begun = processorTime();
    const result = await work();
    stages[stage] += processorTime() - begun;
    return result;
  };
  const follower = new FaceFollower({ choice: 'largest', hold: Math.round(rate / 2) });
  const source = pictures(recording, { rate, size: 1280 });
  let [frames, seen] = [0, 0];
  for (;;) {
    const { value: picture, done } = await timed('decode', () => source.next());
    if (done) break;
    frames++;
    const found: Detection[] = await timed('detect', () => api.detect(picture, DETECTION));
    const { detection } = await timed('follow', () => follower.step(picture, found));
    if (!detection) continue;
    seen++;
    const landmarks = await timed('landmarks', () => api.landmarks(picture, detection));
    const face = { ...detection, landmarks };
    await timed('descriptor', () => api.descriptor(picture, face));
    await timed('expressions', () => api.expressions(picture, face));
  }
  for (const stage of STAGES) stages[stage] /= frames;
  const sum = STAGES.reduce((total, stage) => total + stages[stage], 0);
  return { runtime, recording, frames, seen, stages, framesPerSecond: 1000 / sum };
}

const measured: Measured[] = [];
for (const runtime of ['onnx', 'wasm'] as const) {
  const api = await faceApi(runtime, 1);
  // Networks are read and made once.
  for await (const picture of pictures(positionals[0] as string, { rate: 1 })) {
    const [face] = await api.detect(picture, DETECTION);
    if (!face) break;
    const landmarks = await api.landmarks(picture, face);
    await api.descriptor(picture, { ...face, landmarks });
    await api.expressions(picture, { ...face, landmarks });
    break;
  }
  for (const recording of positionals) measured.push(await measure(api, runtime, recording));
}
const rows = measured.map(({ runtime, recording, frames, seen, stages, framesPerSecond }) => [
  runtime,
  recording.split('/').at(-1) as string,
  `${frames}`,
  `${seen}`,
  ...STAGES.map((stage) => stages[stage].toFixed(1)),
  framesPerSecond.toFixed(0),
]);
console.log('processor time in ms a frame, and frames a second of it');
console.log(table([['runtime', 'recording', 'frames', 'seen', ...STAGES, 'frames/s'], ...rows]));
writeResult({ machine: machine(), rate, measured });
