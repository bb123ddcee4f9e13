import { CircumplexError } from '../../errors.ts';
import type { NetworkFile } from '../network_file.ts';
import { networkError, type OnnxNetwork, type OnnxTensor, openOnnx } from '../onnx.ts';
import type { Picture } from '../pictures.ts';
import { warp } from './alignment.ts';
import { type Detection, type FaceDetector, isInside, overlap, type Point } from './face.ts';

/** An ONNX file with YuNet's outputs, and how it is used. */
export interface YunetDetection extends NetworkFile {
  /** That of a file with YuNet's outputs. */
  name: 'yunet';
  /** The longest side of what the network sees, in pixels, where the file does not fix it. Larger finds smaller faces. */
  input: number;
  /** Faces below this score are none, 0 to 1. */
  score: number;
  /** Of two faces that overlap by more than this (intersection over union), the better is kept. */
  overlap: number;
}

const STRIDES = [8, 16, 32] as const;
const PARTS = { cls: 1, obj: 1, bbox: 4, kps: 10 } as const;

/**
 * Opens a detector.
 *
 * @throws as `openOnnx` does; ERR_DATA when the network's input or outputs are not YuNet's
 */
export async function yunetDetector(settings: YunetDetection, threads: number): Promise<FaceDetector> {
  const network = await openOnnx(settings, null, threads);
  const fixed = checkPorts(network, settings.file);
  return {
    async detect(picture) {
      const frame = framing(picture, fixed, settings.input);
      const outputs = await network.run(inputOf(picture, frame));
      const found = decodeYunet(outputs, frame.width, frame.height, settings);
      return found.map((detection) => scaled(detection, frame.scale)).filter(({ box }) => isInside(box, picture));
    },
    landmarks: async (_, { landmarks }) => landmarks ?? null,
    dispose: () => network.dispose(),
  };
}

/** The size that the file fixes, or null. */
function checkPorts({ inputs, outputs }: OnnxNetwork, file: string): Size | null {
  const [input] = inputs;
  if (inputs.length !== 1 || input?.dims.length !== 4 || (typeof input.dims[1] === 'number' && input.dims[1] !== 3)) {
    throw networkError(file, 'a detector takes one input [1, 3, height, width], and this network does not');
  }
  const names = Object.keys(PARTS).flatMap((part) => STRIDES.map((stride) => `${part}_${stride}`));
  const absent = names.filter((name) => !outputs.some((output) => output.name === name));
  if (absent.length) throw networkError(file, `it has not YuNet's outputs: ${absent.join(', ')} is missing`);
  const [height, width] = [Number(input.dims[2]), Number(input.dims[3])];
  return height > 0 && width > 0 ? { width, height } : null;
}

interface Size {
  width: number;
  height: number;
}

/** What the network is given: the picture shrunk by `scale` at the upper left of a field of whole cells. */
interface Frame extends Size {
  scale: number;
}

function framing(picture: Picture, fixed: Size | null, input: number): Frame {
  if (fixed) return { ...fixed, scale: Math.min(1, fixed.width / picture.width, fixed.height / picture.height) };
  const scale = Math.min(1, input / Math.max(picture.width, picture.height));
  const whole = (side: number) => Math.ceil((side * scale) / 32) * 32;
  return { width: whole(picture.width), height: whole(picture.height), scale };
}

/** Blue, green, red, 0 to 255, a plane each. */
function inputOf(picture: Picture, { width, height, scale }: Frame): OnnxTensor {
  const seen = warp(picture, { a: 1 / scale, b: 0, dx: 0, dy: 0 }, width, height);
  const pixels = width * height;
  const data = new Float32Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) data[c * pixels + i] = seen[i * 3 + 2 - c]!;
  }
  return { data, dims: [1, 3, height, width] };
}

/**
 * The faces that YuNet's twelve outputs stand for, the best first. Of every stride s there are `cls_s`, `obj_s` [cells, 1],
 * `bbox_s` [cells, 4] and `kps_s` [cells, 10], cells row by row. A cell's score is the root of cls times obj, each held to
 * 0..1. Its box is centred at (column + b0, row + b1) s, and is exp(b2) s wide, exp(b3) s high; its landmarks lie at
 * (column + k0, row + k1) s and so on.
 *
 * Source: Wu, Peng and Yu, YuNet: a tiny millisecond-level face detector, 2023; the layout is that of OpenCV's
 * FaceDetectorYN.
 *
 * @param width of the network's input in pixels, a multiple of 32; so is `height`
 * @throws ERR_DATA when an output has another size
 */
export function decodeYunet(
  outputs: Record<string, OnnxTensor>,
  width: number,
  height: number,
  limits: { score: number; overlap: number },
): Detection[] {
  const candidates = STRIDES.flatMap((stride) => candidatesOf(outputs, width, height, stride, limits.score));
  return suppressed(candidates, limits.overlap);
}

function candidatesOf(
  outputs: Record<string, OnnxTensor>,
  width: number,
  height: number,
  stride: number,
  threshold: number,
): Detection[] {
  const [columns, rows] = [Math.floor(width / stride), Math.floor(height / stride)];
  const part = (name: keyof typeof PARTS) => partOf(outputs, `${name}_${stride}`, columns * rows * PARTS[name]);
  const [cls, obj, bbox, kps] = [part('cls'), part('obj'), part('bbox'), part('kps')];
  const found: Detection[] = [];
  for (let cell = 0; cell < columns * rows; cell++) {
    const score = Math.sqrt(held(cls[cell]!) * held(obj[cell]!));
    if (!(score >= threshold)) continue;
    const [column, row] = [cell % columns, Math.floor(cell / columns)];
    const [x, y, wide, high] = bbox.subarray(cell * 4, cell * 4 + 4) as unknown as [number, number, number, number];
    const [boxWidth, boxHeight] = [Math.exp(wide) * stride, Math.exp(high) * stride];
    const five = Array.from({ length: 5 }, (_, i): Point => {
      return [(column + kps[cell * 10 + 2 * i]!) * stride, (row + kps[cell * 10 + 2 * i + 1]!) * stride];
    });
    const box = {
      x: (column + x) * stride - boxWidth / 2,
      y: (row + y) * stride - boxHeight / 2,
      width: boxWidth,
      height: boxHeight,
    };
    if ([...Object.values(box), ...five.flat()].every(Number.isFinite)) found.push({ box, score, landmarks: { five } });
  }
  return found;
}

/** Of detections that overlap by more than `most`, the best alone. The best first; ties stay in the order they came. */
export function suppressed(candidates: readonly Detection[], most: number): Detection[] {
  const kept: Detection[] = [];
  for (const candidate of [...candidates].sort((a, b) => b.score - a.score)) {
    if (kept.every(({ box }) => overlap(box, candidate.box) <= most)) kept.push(candidate);
  }
  return kept;
}

function partOf(outputs: Record<string, OnnxTensor>, name: string, size: number): Float32Array {
  const { data } = outputs[name] as OnnxTensor;
  if (data.length === size) return data;
  throw new CircumplexError(
    'ERR_DATA',
    `the detector's output ${name} has ${data.length} values, not ${size}: it is not YuNet's.`,
  );
}

function scaled({ box, score, landmarks }: Detection, scale: number): Detection {
  const back = (value: number) => value / scale;
  const five = landmarks?.five.map(([x, y]): Point => [back(x), back(y)]) ?? [];
  return {
    box: { x: back(box.x), y: back(box.y), width: back(box.width), height: back(box.height) },
    score,
    landmarks: { five },
  };
}

function held(value: number): number {
  return Math.min(1, Math.max(0, value));
}
