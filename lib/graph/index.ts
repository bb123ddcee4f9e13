export type { ElementType, TypedArray } from '../binding.ts';
export { Columns } from './columns.ts';
export { Device, type DeviceOptions, memory } from './device.ts';
export { differentiate } from './differentiate.ts';
export {
  type Backward,
  type Call,
  type CallOptions,
  Graph,
  type GraphSizes,
  type Initialisation,
  type ParameterSpec,
  type Value,
} from './graph.ts';
export { Program, type RunOptions, type RunSettings, singleChunk } from './program.ts';
export { ProgramStream, type ProgramStreamState, type StreamInput } from './program_stream.ts';
export { schedule } from './schedule.ts';
export { scope } from './scope.ts';
export { type Segment, Store, type StoreBlock } from './store.ts';
