import { dirname } from 'node:path';
import { optionalPackageFile } from '../optional.ts';

/** The package that holds the weights. */
export const FACE_API = { name: '@vladmandic/face-api', version: '1.7.15' } as const;

export const PURPOSE = 'to find and describe faces';

/**
 * The folder in which the weights lie.
 *
 * @throws ERR_NOT_INSTALLED with the line that installs it
 */
export function faceApiWeights(): string {
  const { name, version } = FACE_API;
  return dirname(optionalPackageFile(name, version, PURPOSE, '/model/tiny_face_detector_model-weights_manifest.json'));
}
