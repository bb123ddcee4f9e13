export { mediaIn } from './media.ts';
export { pageScript } from './page_script.ts';
export { isLoopback, PageServer, type ServeOptions } from './server.ts';
export { Session, type SessionOptions } from './session.ts';
export {
  datasetSource,
  type EmbeddedRecording,
  type LoadOptions,
  type Models,
  recordingSource,
  runDataset,
  runSource,
  type Source,
  type SourceOptions,
} from './source.ts';
