export { type EmbedOptions, type EmbedProgress, embed, type Recording, recordingId } from './embed.ts';
export {
  allFeatures,
  type FeatureFrame,
  type FeaturesOptions,
  features,
  type RecordingFeatures,
} from './features.ts';
export { resolveRecipe } from './kinds.ts';
export { logMel, type PatchPlacement, vggishPatches } from './log_mel.ts';
export { type Picture, type PicturesOptions, pictures } from './pictures.ts';
export { type AudioInfo, type MediaInfo, probe, type VideoInfo } from './probe.ts';
export { type SoundOptions, sound } from './sound.ts';
