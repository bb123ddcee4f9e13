export { Columns } from './columns.ts';
export { Device, type DeviceOptions, memory } from './device.ts';
export { differentiate } from './differentiate.ts';
export { Graph, type GraphSizes, type Initialisation, type ParameterSpec, type Value } from './graph.ts';
export { Program, type RunOptions, type RunSettings, singleChunk } from './program.ts';
export { ProgramStream, type StreamInput } from './program_stream.ts';
export { schedule } from './schedule.ts';
export { scope } from './scope.ts';
export { Store } from './store.ts';
