import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { npyOf } from './npy_file.ts';

export type Files = Record<string, string | Uint8Array>;

/** What `dataset.json` says of the directory below; tests change a part of it. */
export interface Description {
  [key: string]: unknown;
  name: unknown;
  rate: unknown;
  targets: unknown;
  modalities: Record<string, unknown>;
  sequences: { [key: string]: unknown; files: Record<string, unknown> }[];
}

/** Two sequences of 4 and 3 frames, of `.npy` and `.csv`, as a fresh object each time. */
export function description(): Description {
  return {
    name: 'small',
    rate: 25,
    targets: ['arousal', 'valence'],
    modalities: { audio: { size: 2 }, video: { size: 1 } },
    sequences: [
      {
        id: 'train_1',
        partition: 'train',
        session: 'a',
        length: 4,
        files: { audio: 'audio/train_1.npy', video: 'video/train_1.csv', targets: 'gold/train_1.csv' },
      },
      { id: 'test_1', partition: 'test', length: 3, files: { audio: 'audio/test_1.npy', video: 'video/test_1.npy' } },
    ],
  };
}

export function arrays(): Files {
  return {
    'audio/train_1.npy': npyOf(Float32Array.of(1, 2, Number.NaN, Number.NaN, 5, 6, 7, 8), 4, 2),
    'video/train_1.csv': 'time,blue\n0,0.5\n0.04,\n0.08,NaN\n0.12,-1\n',
    'gold/train_1.csv': 'time,valence,liking,arousal\n0,0.1,9,0.2\n0.04,0.3,9,\n0.08,,9,\n0.12,0.5,9,0.6\n',
    'audio/test_1.npy': npyOf(Float64Array.of(1, 2, 3, 4), 2, 2),
    'video/test_1.npy': npyOf(Float32Array.of(1, 2, 3), 3),
  };
}

/** Writes `dataset.json` (a description, or any text) and its files below `root`. */
export async function lay(root: string, json: Description | string, files: Files): Promise<void> {
  await writeFile(join(root, 'dataset.json'), typeof json === 'string' ? json : JSON.stringify(json));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}
