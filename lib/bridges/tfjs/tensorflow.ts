import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';
import { CircumplexError } from '../../errors.ts';
import { requireFrom } from '../../package.ts';

/** The TensorFlow.js that the program uses: it must be the same copy, or its tensors and layers are strangers to ours. */
function tensorflow(): { core: typeof Core; layers: typeof Layers } {
  const load = requireFrom(import.meta.url);
  const packages = [
    ['@tensorflow/tfjs-core', '@tensorflow/tfjs-layers'],
    ['@tensorflow/tfjs', '@tensorflow/tfjs'],
  ] as const;
  const causes: unknown[] = [];
  for (const [core, layers] of packages) {
    try {
      return { core: load(core), layers: load(layers) };
    } catch (error) {
      causes.push(error);
    }
  }
  const remedy = 'npm install @tensorflow/tfjs, or @tensorflow/tfjs-core, -layers and a backend';
  const what = 'circumplex/tfjs needs TensorFlow.js 4, which is not installed';
  throw new CircumplexError('ERR_NOT_INSTALLED', `${what}: ${remedy}`, { cause: new AggregateError(causes) });
}

const { core, layers } = tensorflow();

// One by one: declarations of what is taken apart are lost in the package's types.
export const tf: typeof Core = core;
export const tfl: typeof Layers = layers;
