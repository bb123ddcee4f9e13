import { describe, expect, it } from 'vitest';
import { networkInput, openFaceNetwork } from '../../../lib/features/faces/network.ts';
import { FACE_NETWORKS, resolveFaceNetwork } from '../../../lib/features/faces/network_recipe.ts';
import type { OnnxGraph } from '../../../lib/onnx/model.ts';
import { hasPeers } from '../peers.ts';
import { describer, networkFile, value } from './networks.ts';
import { paint, plain } from './pictures.ts';

const fail = (what: string): never => {
  throw new Error(`the recipe ${what}`);
};
const sha256 = 'a'.repeat(64);
const input = { width: 4, height: 4 };
const own = { file: 'own.onnx', sha256, source: 'own', input };

describe('resolveFaceNetwork', () => {
  it('fills in what is usual', () => {
    expect(resolveFaceNetwork(own, fail)).toMatchObject({
      file: 'own.onnx',
      layer: null,
      pooling: 'none',
      input: { ...input, channels: 'rgb', mean: [0, 0, 0], scale: [1, 1, 1], layout: 'nchw' },
      crop: { landmarks: expect.arrayContaining([]) },
    });
  });

  it('knows FER+ whole, and of VGGFace all but the checksum of the converted file', () => {
    expect(resolveFaceNetwork({ network: 'ferplus' }, fail)).toEqual(FACE_NETWORKS.ferplus);
    expect(() => resolveFaceNetwork({ network: 'vggface' }, fail)).toThrow(
      /has a network vggface that needs the sha256 of its file/,
    );
    const converted = resolveFaceNetwork({ network: 'vggface', sha256, file: 'mine.onnx' }, fail);
    expect(converted).toEqual({ ...FACE_NETWORKS.vggface, sha256, file: 'mine.onnx' });
  });

  it.each([
    ['no object', 'vggface', /needs an embedding as an object/],
    ['an unknown network', { network: 'vgg' }, /knows no network "vgg"; it knows ferplus, vggface/],
    ['an unknown setting', { ...own, size: 3 }, /no setting "size" for a network/],
    ['no file', { ...own, file: 3 }, /has a network that needs a file that ends in .onnx, not 3/],
    ['no checksum', { ...own, sha256: 'abc' }, /needs the sha256 of its file/],
    ['no input', { ...own, input: undefined }, /needs "input" as an object/],
    ['no width', { ...own, input: { height: 4 } }, /"input.width", a whole number/],
    ['channels', { ...own, input: { ...input, channels: 'grey' } }, /"input.channels" "grey", .* rgb, bgr, gray/],
    ['too few means', { ...own, input: { ...input, mean: [1, 2] } }, /one for each of 3 channels/],
    ['a scale that is no number', { ...own, input: { ...input, scale: 'x' } }, /"input.scale"/],
    ['a layout', { ...own, input: { ...input, layout: 'chw' } }, /nchw, nhwc/],
    ['a layer', { ...own, layer: { op: 'Relu' } }, /"layer"/],
    ['a pooling', { ...own, pooling: 'median' }, /none, mean, max/],
    ['a crop', { ...own, crop: { margin: 9 } }, /"crop"/],
    ['landmarks', { ...own, crop: { landmarks: [[1, 2]] } }, /"crop"/],
  ])('refuses %s', (_, recipe, message) => {
    expect(() => resolveFaceNetwork(recipe, fail)).toThrow(message);
  });
});

describe('networkInput', () => {
  const chip = Uint8Array.from([10, 20, 30, 40, 50, 60]);
  const of = (channels: string, layout: string, mean: number[], scale: number[]) =>
    networkInput(
      chip,
      resolveFaceNetwork({ ...own, input: { width: 2, height: 1, channels, layout, mean, scale } }, fail).input,
    );

  it('takes channels in the order of the network, less their mean, times their scale', () => {
    expect(of('rgb', 'nchw', [10, 20, 30], [1, 2, 3])).toEqual({
      data: Float32Array.of(0, 30, 0, 60, 0, 90),
      dims: [1, 3, 1, 2],
    });
    expect(of('bgr', 'nchw', [30, 20, 10], [1, 1, 1]).data).toEqual(Float32Array.of(0, 30, 0, 30, 0, 30));
    expect(of('bgr', 'nhwc', [0, 0, 0], [1, 1, 1])).toEqual({
      data: Float32Array.of(30, 20, 10, 60, 50, 40),
      dims: [1, 1, 2, 3],
    });
  });

  it('makes grey of them, by ITU-R 601', () => {
    const { data, dims } = of('gray', 'nchw', [0], [1]);
    expect(dims).toEqual([1, 1, 1, 2]);
    expect(data[0]).toBeCloseTo(0.299 * 10 + 0.587 * 20 + 0.114 * 30, 5);
  });
});

describe.skipIf(!hasPeers('onnxruntime-node'))('openFaceNetwork', () => {
  // Each pixel of the crop is one of the picture.
  const picture = paint(plain(4, 4), { x: 0, y: 0, width: 4, height: 4 }, (u, v) => [
    Math.floor(u * 4),
    Math.floor(v * 4) * 10,
    0,
  ]);
  const face = { box: { x: 0, y: 0, width: 4, height: 4 }, score: 1, landmarks: { five: [] } };
  const crop = { margin: 0 };
  const embed = async (settings: object) => {
    const network = await openFaceNetwork(
      resolveFaceNetwork({ ...(await networkFile(describer())), input, crop, ...settings }, fail),
      1,
    );
    const values = await network.embed(picture, face);
    await network.dispose();
    expect(values).toHaveLength(network.size);
    return [...values];
  };

  it('reads the output of the network', async () => {
    expect(await embed({})).toEqual([4 * (0 + 1 + 2 + 3) + 3 * 4 * (0 + 10 + 20 + 30)]);
  });

  it.each([
    ['its name', 'features'],
    ['the name of its node', 'last_convolution'],
    ['its operator', { op: 'Conv', index: -1 }],
  ])('reads a layer inside by %s, pooled over width and height', async (_, layer) => {
    expect(await embed({ layer, pooling: 'mean' })).toEqual([1.5, 45]);
    expect(await embed({ layer, pooling: 'max' })).toEqual([3, 90]);
    expect(await embed({ layer })).toHaveLength(32);
  });

  it('pools channels that come last', async () => {
    const graph: OnnxGraph = {
      ...describer(),
      inputs: [value('input', [1, 4, 4, 3])],
      nodes: [
        { operator: 'Relu', inputs: ['input'], outputs: ['copy'] },
        { operator: 'Flatten', inputs: ['copy'], outputs: ['sum'] },
      ],
      outputs: [value('sum', [1, 48])],
    };
    const settings = {
      ...(await networkFile(graph)),
      layer: 'copy',
      pooling: 'mean',
      input: { ...input, layout: 'nhwc' },
    };
    expect(await embed(settings)).toEqual([1.5, 15, 0]);
  });

  it.each([
    [
      'a layer that is not there',
      { layer: 'conv5_3' },
      /no layer "conv5_3"; the last of its 4 layers are features \(Conv\)/,
    ],
    [
      'an operator that is not so often there',
      { layer: { op: 'Conv', index: 1 } },
      /no layer \{"op":"Conv","index":1\}/,
    ],
    ['another input', { input: { width: 5, height: 4 } }, /\[1, 3, 4, 5\], but the network takes input \[1, 3, 4, 4\]/],
    ['grey', { input: { ...input, channels: 'gray' } }, /\[1, 1, 4, 4\], but/],
    ['pooling where there is nothing to pool', { pooling: 'mean' }, /set "pooling" to none/],
    ['values that leave the numbers', { input: { ...input, scale: 3e38 } }, /not finite/],
  ])('refuses %s', async (_, settings, message) => {
    await expect(embed(settings)).rejects.toThrow(message);
  });

  it('refuses several outputs of which none is named, and a file that is no network', async () => {
    const graph = describer();
    graph.outputs.push(value('positive', [1, 2, 4, 4]));
    await expect(embed(await networkFile(graph))).rejects.toThrow(/several outputs, sum, positive/);
    const nodes = [{ operator: 'Nonsense', inputs: ['input'], outputs: ['sum'] }];
    const broken = await networkFile({ ...graph, nodes });
    await expect(embed(broken)).rejects.toThrow(/network.onnx: /);
  });
});
