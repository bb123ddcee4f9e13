export { type FeatureFrame, type FeaturesOptions, features } from './features.ts';
export { resolveRecipe } from './kinds.ts';
export { type Picture, type PicturesOptions, pictures } from './pictures.ts';
export { type AudioInfo, type MediaInfo, probe, type VideoInfo } from './probe.ts';
export type { Recipe } from './recipe.ts';
export { type SoundOptions, sound } from './sound.ts';
