import { brief, CircumplexError } from '../errors.ts';
import { audioFunctionals } from './audio_functionals.ts';
import { faceFeatures } from './faces/face_features.ts';
import { onnxAudio } from './onnx_audio.ts';
import type { Kind, Recipe } from './recipe.ts';
import { pictureSignals, soundSignals } from './signals.ts';

/** Every kind of recipe, by name. */
const KINDS: Record<string, Kind> = {
  'audio-functionals': audioFunctionals,
  'onnx-audio': onnxAudio,
  face: faceFeatures,
  'sound-signals': soundSignals,
  'picture-signals': pictureSignals,
};

/**
 * The kind of a recipe.
 *
 * @throws ERR_CONFIG when there is no such kind, with those there are
 */
export function kindOf(recipe: Recipe): Kind {
  if (Object.hasOwn(KINDS, recipe.kind)) return KINDS[recipe.kind] as Kind;
  const known = Object.keys(KINDS).join(', ');
  throw new CircumplexError('ERR_CONFIG', `a recipe of kind ${brief(recipe.kind)} is unknown; the kinds are ${known}.`);
}

/**
 * The recipe with every setting filled in: what is written down, so that defaults may change without changing it.
 *
 * @throws ERR_CONFIG for an unknown kind or setting
 */
export function resolveRecipe(recipe: Recipe): Recipe {
  return kindOf(recipe).resolve(recipe);
}
