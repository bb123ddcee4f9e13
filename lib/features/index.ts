export { type EmbedOptions, type EmbedProgress, embed, type Recording, recordingId } from './embed.ts';
export { type ExtractorOptions, openExtractor, type RecipeExtractor } from './extractor.ts';
export type { FaceCrop } from './faces/alignment.ts';
export type { Box, Detection, FaceDetector, Landmarks, Point } from './faces/face.ts';
export type { FaceApiDetection, FaceApiRuntimeName } from './faces/face_api.ts';
export { openFaceDetector } from './faces/face_extractor.ts';
export type { FaceEmbedding, FaceRecipe } from './faces/face_features.ts';
export type { FaceChoice } from './faces/follower.ts';
export type { FaceNetwork } from './faces/network_recipe.ts';
export type { YunetDetection } from './faces/yunet.ts';
export {
  allFeatures,
  type FeatureFrame,
  type FeaturesOptions,
  features,
  type RecordingFeatures,
} from './features.ts';
export { resolveRecipe } from './kinds.ts';
export { logMel, type PatchPlacement, vggishPatches } from './log_mel.ts';
export type { OnnxLayer } from './onnx.ts';
export { type Picture, type PicturesOptions, pictures } from './pictures.ts';
export { type AudioInfo, type MediaInfo, probe, type VideoInfo } from './probe.ts';
export type { Demand } from './recipe.ts';
export { type SoundOptions, sound } from './sound.ts';
