import { expect, it } from 'vitest';
import { fusionWeights } from '../../lib/report/fusion_weights.ts';

it('takes the weights of one target, by stream, and holds them at the clock of the curve', () => {
  // [frame, target, stream]
  const fusion = Float32Array.from([0, 1, 2, 3, 4, 5, 6, 7]);
  const trace = { rate: 12.5, streams: ['audio', 'video'], fusion };
  expect(fusionWeights(trace, 25, 5, 2, 1)).toEqual({
    audio: Float32Array.of(2, 2, 6, 6, 6),
    video: Float32Array.of(3, 3, 7, 7, 7),
  });
});

it('takes the frame itself at a rate whose quotient rounds below it', () => {
  const fusion = Float32Array.from({ length: 100 }, (_, t) => t);
  const trace = { rate: 25 / 3, streams: ['audio'], fusion };
  const { audio } = fusionWeights(trace, 25, 300, 1, 0);
  expect([...(audio as Float32Array)]).toEqual(Array.from({ length: 300 }, (_, t) => Math.floor(t / 3)));
});
