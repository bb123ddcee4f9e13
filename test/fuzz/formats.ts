import { parseCell } from '../../lib/data/csv.ts';
import {
  decodeNpy,
  decodeNpz,
  featuresOfArray,
  parseArff,
  parseCurves,
  parseFeatures,
  parseNumberTable,
  parseTextTable,
} from '../../lib/data/index.ts';
import { parseManifest } from '../../lib/data/manifest.ts';
import { checkpointIn } from '../../lib/models/checkpoint.ts';
import { importWeights } from '../../lib/models/import_weights.ts';
import { decodeSafetensors, encodeSafetensors } from '../../lib/models/safetensors.ts';
import type { Random } from '../../lib/random.ts';
import { description } from '../data/directory.ts';
import { npyFile, npyOf } from '../data/npy_file.ts';
import { npzOf } from '../data/npz_file.ts';
import { safetensorsFile } from '../models/safetensors_file.ts';
import { smallFile } from '../models/small.ts';
import { mutateBytes, mutateJson, mutateJsonText, mutateText, pick } from './mutate.ts';

/** A reader, what is damaged for it, and what must hold of what it reads. */
export interface FuzzedFormat {
  name: string;
  /** A damaged file. */
  damage(draw: Random): string | Uint8Array;
  /** Reads it and checks what came out; throws an Error that is no CircumplexError where that is wrong. */
  read(input: string | Uint8Array): void;
}

const AVEC = [
  "'Devel_DE_01';0.0;-0.031250;0.125000;0.000000",
  "'Devel_DE_01';0.1;-0.031250;0.250000;0.000000",
  "'Devel_DE_01';0.2;0.500000;0.250000;0.000000",
].join('\n');
const AVEC_HEADER = 'name;timestamp;arousal;valence;liking\n';
const MUSE = 'timestamp,segment_id,value\n0,1,0.25\n500,1,0.5\n1000,2,-0.5\n';
const ARFF = [
  '@relation GOLDSTANDARD',
  '',
  '@attribute Instance_name string',
  '@attribute frameTime numeric',
  "@attribute 'Gold Standard' numeric",
  '@attribute class {a,b}',
  '',
  '@data',
  "'dev_1',0,-0.5,a",
  'dev_1,0.04,?,b',
  'dev_1,0.08,1e-3,?',
].join('\n');
const CURVES = [
  'time,arousal,valence\n0,0.5,-1\n0.04,,nan\n0.08,1,2\n',
  AVEC,
  AVEC_HEADER + AVEC,
  MUSE,
  'time, rating\n0, 0.5\n0.5, 0.75\n',
  'valence\n0.5\n-0.25\n',
];
const FEATURES = [
  "name;frameTime;F0;Loudness\n'unknown';0.0;1.5;2\n'unknown';0.01;-nan;3\n",
  'file,start,end,F0,HNR\na.wav,0 days 00:00:00,0 days 00:00:02,1,2\na.wav,0 days 00:00:01.5,0 days 00:00:03,3,4\n',
  'timestamp,segment_id,f1,f2\n0,1,0.5,1\n500,1,0.25,2\n',
  'frame, face_id, timestamp, confidence, success, AU01_r, AU12_r\n1, 0, 0.000, 0.98, 1, 0.5, 1.25\n2, 0, 0.040, 0.4, 0, 0, 0\n2, 1, 0.040, 0.4, 1, 0, 0\n',
  'time-offset\tword\tglove0\tglove1\n0.5\tso\t1\t2\n0.75\tyes\t\t\n',
  AVEC,
];
const ARRAYS = [
  npyOf(Float32Array.of(1, 2, Number.NaN, 4, 0, 0), 3, 2),
  npyOf(Float64Array.of(1, 2, 3), 3),
  npyOf(Int32Array.of(1, -2, 3, 4), 2, 2),
];
const NPY_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
const { json: METADATA, tensors: TENSORS } = smallFile();
const STATE_DICT = new Map([...TENSORS].map(([name, tensor]) => [name.replace(/^streams\./, 'net.'), tensor]));
const CHECKPOINT = encodeSafetensors({ metadata: { circumplex: JSON.stringify(METADATA) }, tensors: TENSORS });
const HEADER_BYTES = Number(new DataView(CHECKPOINT.buffer).getBigUint64(0, true));
const HEADER = JSON.parse(Buffer.from(CHECKPOINT.buffer, 8, HEADER_BYTES).toString());
const BODY = CHECKPOINT.subarray(8 + HEADER_BYTES);
const MANIFEST = description();

/** Half of the damage to the bytes as they lie; half within, so that it gets past the first check. */
export const FORMATS: readonly FuzzedFormat[] = [
  textFormat('curves.csv', CURVES, (text) => checkCurves(parseCurves(text, 'a.csv'))),
  textFormat('curves.arff', [ARFF], (text) => checkCurves(parseCurves(text, 'a.arff'))),
  textFormat('features.csv', FEATURES, (text) =>
    checkFeatures(parseFeatures(text, 'a.csv', { zerosAreMissing: true })),
  ),
  textFormat('features.arff', [ARFF], (text) => checkFeatures(parseFeatures(text, 'a.arff'))),
  textFormat('table.csv', CURVES, (text) => {
    const { header, length, values } = parseNumberTable(text, 'a.csv');
    checkValues(values, length * header.length);
    checkSame(values, parseTextTable(text, 'a.csv'));
  }),
  textFormat('arff', [ARFF], (text) => {
    const { attributes, length, values } = parseArff(text, 'a.arff');
    checkValues(values, length * attributes.length);
  }),
  {
    name: 'npy',
    damage: (draw) =>
      draw.uniform() < 0.5
        ? mutateBytes(draw, pick(draw, ARRAYS))
        : npyFile(mutateText(draw, NPY_HEADER).slice(0, 60_000), new Uint8Array(24), pick(draw, [1, 2, 3])),
    read: (input) => readArray(decodeNpy(input as Uint8Array, 'a.npy')),
  },
  {
    name: 'npz',
    damage: (draw) => {
      const array = pick(draw, ARRAYS);
      if (draw.uniform() < 0.2) return npzOf({ [mutateText(draw, 'x').slice(0, 1000)]: mutateBytes(draw, array) });
      return mutateBytes(draw, npzOf({ x: array }, { compressed: draw.uniform() < 0.5 }));
    },
    read: (input) => readArray(decodeNpz(input as Uint8Array, 'a.npz')),
  },
  {
    name: 'safetensors',
    damage: (draw) => {
      if (draw.uniform() < 0.5) return mutateBytes(draw, CHECKPOINT);
      const header = mutateJsonText(draw, HEADER);
      return safetensorsFile(draw.uniform() < 0.5 ? header : mutateText(draw, header), BODY);
    },
    read: (input) => {
      for (const [name, { dims, data }] of decodeSafetensors(input as Uint8Array).tensors) {
        const due = dims.reduce((product, size) => product * size, 1);
        if (data.length !== due) throw new Error(`tensor ${name}: ${data.length} values of ${due}`);
      }
    },
  },
  {
    name: 'checkpoint',
    damage: (draw) => mutateJsonText(draw, METADATA),
    read: (input) => {
      const metadata = { circumplex: input as string };
      const { tensors, targets } = checkpointIn({ metadata, tensors: TENSORS }, 'a.safetensors');
      for (const data of tensors.values()) if (!data.every(Number.isFinite)) throw new Error('a tensor is not finite');
      if (targets.length === 0) throw new Error('there are no targets');
    },
  },
  {
    name: 'import-weights',
    damage: (draw) => JSON.stringify(mutateJson(draw, { ...METADATA, tensors: { 'net.': 'streams.' } })),
    read: (input) => {
      importWeights(STATE_DICT, JSON.parse(input as string));
    },
  },
  {
    name: 'dataset.json',
    damage: (draw) => {
      const json = mutateJsonText(draw, MANIFEST);
      return draw.uniform() < 0.5 ? json : mutateText(draw, json);
    },
    read: (input) => {
      for (const { files } of parseManifest(input as string, 'dataset.json').sequences) {
        const outside = Object.values(files).find((path) => /^[\\/]|\.\.([\\/]|$)|\0/.test(path));
        if (outside !== undefined) throw new Error(`path ${outside} leads out of the folder`);
      }
    },
  },
];

function textFormat(name: string, seeds: readonly string[], read: (text: string) => void): FuzzedFormat {
  return { name, damage: (draw) => mutateText(draw, pick(draw, seeds)), read: (input) => read(input as string) };
}

function readArray(array: ReturnType<typeof decodeNpy>): void {
  const due = array.shape.reduce((product, size) => product * size, 1);
  if (array.data.length !== due) throw new Error(`${array.data.length} values of ${due}`);
  checkFeatures(featuresOfArray(array, 'a.npy', {}));
}

function checkCurves({ times, values, columns, names }: ReturnType<typeof parseCurves>): void {
  if (names!.length !== columns) throw new Error('a column without a name');
  checkValues(values, times ? times.length * columns : values.length);
  checkTimes(times);
}

function checkFeatures({ times, values, size, length, names }: ReturnType<typeof parseFeatures>): void {
  if (names && names.length !== size) throw new Error('a feature without a name');
  checkValues(values, length * size);
  checkTimes(times);
  for (let row = 0; row < length; row++) {
    const missing = values.subarray(row * size, (row + 1) * size).filter(Number.isNaN).length;
    if (missing > 0 && missing < size) throw new Error(`row ${row} is missing in part`);
  }
}

function checkValues(values: Float32Array | Float64Array, due: number): void {
  if (values.length !== due) throw new Error(`${values.length} values of ${due}`);
  const infinite = values.findIndex((value) => !Number.isNaN(value) && !Number.isFinite(value));
  if (infinite >= 0) throw new Error(`value ${infinite} is infinite`);
}

/** The reader of text, csv-parse throughout, gives the same numbers. */
function checkSame(values: Float64Array, { header, rows, lines }: ReturnType<typeof parseTextTable>): void {
  const expected = rows.flatMap((row, i) => row.map((cell, j) => parseCell(cell, 'a.csv', lines[i]!, header[j]!)));
  const other = expected.findIndex((value, i) => !Object.is(value, values[i]));
  if (other >= 0 || expected.length !== values.length) throw new Error(`value ${other} differs from the slow reader's`);
}

function checkTimes(times: Float64Array | null): void {
  const wrong = (times ?? new Float64Array()).findIndex((time, i) => i > 0 && !(time > times![i - 1]!));
  if (wrong >= 0) throw new Error(`time goes back at row ${wrong}`);
}
