import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../lib/onnx/model.ts';
import { onnxNodes, withOutput } from '../../lib/onnx/nodes.ts';
import { describer } from '../features/faces/networks.ts';
import { seeded } from '../features/faces/pictures.ts';

const file = () => encodeModel({ opset: 13, graph: describer() });

describe('onnxNodes', () => {
  it('lists operators, names and tensors in order', () => {
    expect(onnxNodes(file())).toEqual([
      { name: 'last_convolution', op: 'Conv', outputs: ['features'] },
      { name: 'positive', op: 'Relu', outputs: ['positive'] },
      { name: 'flat', op: 'Flatten', outputs: ['flat'] },
      { name: 'sum', op: 'MatMul', outputs: ['sum'] },
    ]);
  });

  it('takes damaged files: a list or null, never anything else', () => {
    const random = seeded(3);
    const whole = file();
    for (let i = 0; i < 2000; i++) {
      const damaged = whole.slice(0, Math.ceil(random() * whole.length));
      for (let k = 0; k < 3; k++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
      const nodes = onnxNodes(damaged);
      expect(nodes === null || Array.isArray(nodes)).toBe(true);
    }
    expect(onnxNodes(new Uint8Array(0))).toEqual([]);
    expect(onnxNodes(Uint8Array.of(0x3a, 0x80))).toBeNull();
  });
});

describe('withOutput', () => {
  it('adds to the file and leaves what it had', () => {
    const whole = file();
    const more = withOutput(whole, 'features');
    expect(more.slice(0, whole.length)).toEqual(whole);
    expect(onnxNodes(more)).toEqual(onnxNodes(whole));
  });
});
