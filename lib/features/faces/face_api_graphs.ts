import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readError, readText } from '../../data/files.ts';
import { CircumplexError } from '../../errors.ts';
import { GraphBuilder } from '../../onnx/graph.ts';
import { encodeModel, type OnnxAttribute } from '../../onnx/model.ts';

/*
 * face-api's networks as ONNX, made of the weights in its package: the same arithmetic as its TypeScript sources describe
 * (src/tinyYolov2, faceFeatureExtractor, faceRecognitionNet), for a runtime that is several times as fast. Inputs are
 * [1, 3, side, side], red, green, blue, less the training pictures' means, divided by 255.
 */

/** The small detector's output `cells` [1, 25, cells, cells]: for each of five anchors x, y, width, height and score. */
export async function tinyDetectorModel(folder: string): Promise<Uint8Array> {
  const net = await Builder.of(folder, 'tiny_face_detector_model');
  const leaky = (x: string) => net.node('LeakyRelu', [x], { alpha: { float: 0.1 } });
  const halved = (x: string, stride: number) =>
    net.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [stride, stride], auto_pad: 'SAME_UPPER' });
  let x = halved(leaky(net.convolution('input', 'conv0/filters', 'conv0/bias', {})), 2);
  for (let i = 1; i <= 5; i++) x = halved(leaky(net.separable(x, `conv${i}`, 1)), i < 5 ? 2 : 1);
  const cells = net.convolution(x, 'conv8/filters', 'conv8/bias', {});
  return net.model([1, 3, 'side', 'side'], cells, 'cells', [1, 25, 'rows', 'columns']);
}

/** The 68 landmarks, `points` [1, 136]: x, y as shares of the side. Of pictures of 112 x 112. */
export async function landmarksModel(folder: string): Promise<Uint8Array> {
  const net = await Builder.of(folder, 'face_landmark_68_model');
  return net.model([1, 3, 112, 112], extractor(net), 'points', [1, 136]);
}

/** Seven probabilities, `expressions` [1, 7]. Of pictures of 112 x 112. */
export async function expressionsModel(folder: string): Promise<Uint8Array> {
  const net = await Builder.of(folder, 'face_expression_model');
  const shares = net.node('Softmax', [extractor(net)], { axis: 1 });
  return net.model([1, 3, 112, 112], shares, 'expressions', [1, 7]);
}

/** The `descriptor` [1, 128]. Of pictures of 150 x 150. */
export async function descriptorModel(folder: string): Promise<Uint8Array> {
  const net = await Builder.of(folder, 'face_recognition_model');
  const relu = (x: string) => net.node('Relu', [x]);
  let x = relu(net.scaled('input', 'conv32_down', { strides: [2, 2] }));
  x = net.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] });
  // The side of the square that comes in, which decides about padding.
  let side = 35;
  for (const [channels, name] of DESCRIPTOR_BLOCKS) {
    const isDown = name.includes('down');
    const first = net.scaled(x, `${name}/conv1`, isDown ? { strides: [2, 2] } : { pads: [1, 1, 1, 1] });
    let inner = net.scaled(relu(first), `${name}/conv2`, { pads: [1, 1, 1, 1] });
    let outer = x;
    if (isDown) {
      outer = net.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
      const [convolved, pooled] = [Math.floor((side - 3) / 2) + 1, Math.floor(side / 2)];
      const [from] = net.dims(`${name}/conv1/conv/filters`).slice(2) as [number];
      if (pooled > convolved) inner = net.padded(inner, [0, 0, 0, 0, 0, 0, pooled - convolved, pooled - convolved]);
      if (channels > from) outer = net.padded(outer, [0, 0, 0, 0, 0, channels - from, 0, 0]);
      side = pooled;
    }
    x = relu(net.node('Add', [inner, outer]));
  }
  const flat = net.node('Flatten', [net.node('GlobalAveragePool', [x])]);
  const descriptor = net.node('MatMul', [flat, net.constant('fc', net.weights('fc'))]);
  return net.model([1, 3, 150, 150], descriptor, 'descriptor', [1, 128]);
}

const DESCRIPTOR_BLOCKS: readonly (readonly [channels: number, name: string])[] = [
  ...['conv32_1', 'conv32_2', 'conv32_3'].map((name) => [32, name] as const),
  ...['conv64_down', 'conv64_1', 'conv64_2', 'conv64_3'].map((name) => [64, name] as const),
  ...['conv128_down', 'conv128_1', 'conv128_2'].map((name) => [128, name] as const),
  ...['conv256_down', 'conv256_1', 'conv256_2', 'conv256_down_out'].map((name) => [256, name] as const),
];

/** Four blocks, each of four convolutions that see the sum of those before them; then a layer over the mean of all places. */
function extractor(net: Builder): string {
  let x = 'input';
  for (let block = 0; block < 4; block++) {
    const name = `dense${block}`;
    const first =
      block === 0
        ? net.convolution(x, `${name}/conv0/filters`, `${name}/conv0/bias`, { strides: [2, 2], auto_pad: 'SAME_UPPER' })
        : net.separable(x, `${name}/conv0`, 2);
    let sum = net.node('Relu', [first]);
    for (let i = 1; i <= 3; i++) {
      sum = net.node('Add', [sum, net.separable(i === 1 ? sum : net.node('Relu', [sum]), `${name}/conv${i}`, 1)]);
    }
    x = net.node('Relu', [sum]);
  }
  const flat = net.node('Flatten', [net.node('GlobalAveragePool', [x])]);
  const [weights, bias] = ['fc/weights', 'fc/bias'].map((name) => net.constant(name, net.weights(name)));
  return net.node('Gemm', [flat, weights!, bias!]);
}

interface Weight {
  dims: number[];
  values: Float32Array;
}

/** face-api's layers; nodes are known by the tensor that they make. */
class Builder {
  private readonly graph = new GraphBuilder();

  private constructor(private readonly table: ReadonlyMap<string, Weight>) {}

  static async of(folder: string, name: string): Promise<Builder> {
    return new Builder(await readWeights(folder, name));
  }

  node(operator: string, inputs: string[], attributes: Record<string, OnnxAttribute> = {}): string {
    return this.graph.node(operator, inputs, attributes);
  }

  constant(name: string, { dims, values }: Weight): string {
    return this.graph.constant(name, dims, values);
  }

  weights(name: string): Weight {
    const weight = this.table.get(name);
    if (weight) return weight;
    throw new CircumplexError('ERR_DATA', `@vladmandic/face-api has no weights ${name}: install version 1.7.15.`);
  }

  dims(name: string): number[] {
    return this.weights(name).dims;
  }

  /** Of filters [height, width, from, to]. */
  convolution(x: string, filters: string, bias: string, attributes: Record<string, OnnxAttribute>): string {
    const inputs = [x, this.constant(filters, planar(this.weights(filters))), this.constant(bias, this.weights(bias))];
    return this.node('Conv', inputs, attributes);
  }

  /** A convolution whose result is scaled and shifted by channel: both go into its weights. */
  scaled(x: string, name: string, attributes: Record<string, OnnxAttribute>): string {
    const of = (part: string) => this.weights(`${name}/${part}`);
    const [filters, bias, scale, shift] = [
      of('conv/filters'),
      of('conv/bias'),
      of('scale/weights'),
      of('scale/biases'),
    ];
    const channels = scale.values.length;
    const scaledFilters = { dims: filters.dims, values: filters.values.map((w, i) => w * scale.values[i % channels]!) };
    const shifted = bias.values.map((b, c) => b * scale.values[c]! + shift.values[c]!);
    const inputs = [
      this.constant(`${name}/filters`, planar(scaledFilters)),
      this.constant(`${name}/bias`, { dims: [channels], values: shifted }),
    ];
    return this.node('Conv', [x, ...inputs], attributes);
  }

  /** A convolution channel by channel, then one across channels. */
  separable(x: string, name: string, stride: number): string {
    const [depthwise, pointwise, bias] = ['depthwise_filter', 'pointwise_filter', 'bias'].map(
      (part) => `${name}/${part}`,
    );
    const { dims, values } = this.weights(depthwise!);
    const [, , channels] = dims as [number, number, number];
    // [height, width, channel, 1] is [height, width, 1, channel] to a convolution in groups.
    const filters = this.constant(depthwise!, planar({ dims: [3, 3, 1, channels], values }));
    const attributes = { strides: [stride, stride], group: channels, auto_pad: 'SAME_UPPER' };
    return this.convolution(this.node('Conv', [x, filters], attributes), pointwise!, bias!, {});
  }

  padded(x: string, pads: number[]): string {
    return this.node('Pad', [x, this.graph.integers(...pads)]);
  }

  /** The file, whose one output is the tensor `last` by the name `output`. */
  model(input: (number | string)[], last: string, output: string, dims: (number | string)[]): Uint8Array {
    this.graph.output(last, output);
    const value = (name: string, dims: (number | string)[]) => ({ name, element: 'float' as const, dims });
    const graph = this.graph.build('network', [value('input', input)], [value(output, dims)]);
    return encodeModel({ opset: 13, graph });
  }
}

/** [height, width, from, to] as [to, from, height, width]. */
function planar({ dims, values }: Weight): Weight {
  const [height, width, from, to] = dims as [number, number, number, number];
  const turned = new Float32Array(values.length);
  for (let place = 0; place < height * width; place++) {
    for (let i = 0; i < from; i++) {
      for (let o = 0; o < to; o++) {
        turned[(o * from + i) * height * width + place] = values[(place * from + i) * to + o]!;
      }
    }
  }
  return { dims: [to, from, height, width], values: turned };
}

/** An entry of TensorFlow.js's weights manifest. */
interface ManifestEntry {
  name: string;
  shape: number[];
  quantization?: { dtype: 'uint8'; scale: number; min: number };
}

/** The weights of a network by name: one byte each, times scale plus least, or float32. */
async function readWeights(folder: string, name: string): Promise<Map<string, Weight>> {
  const manifest = join(folder, `${name}-weights_manifest.json`);
  const [{ weights }] = JSON.parse(await readText(manifest)) as [{ weights: ManifestEntry[] }];
  const path = join(folder, `${name}.bin`);
  const data = await readFile(path).catch((error: unknown) => {
    throw readError(path, error);
  });
  const table = new Map<string, Weight>();
  let at = 0;
  for (const { name, shape, quantization } of weights) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    const bytes = data.subarray(at, at + size * (quantization ? 1 : 4));
    at += bytes.length;
    const values = quantization
      ? Float32Array.from(bytes, (byte) => byte * quantization.scale + quantization.min)
      : new Float32Array(Uint8Array.from(bytes).buffer);
    if (values.length !== size) throw new CircumplexError('ERR_DATA', `${path} breaks off: install face-api again.`);
    table.set(name, { dims: shape, values });
  }
  return table;
}
