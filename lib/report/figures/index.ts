export { type AttentionMap, attentionMap } from './attentionMap.ts';
export { type BoxPlot, boxPlot } from './boxPlot.ts';
export { type Interval, type IntervalPlot, intervalPlot } from './intervalPlot.ts';
export { type EpochLine, type LearningCurves, learningCurves } from './learningCurves.ts';
export { type LossBars, lossBars } from './lossBars.ts';
export { type PairedScores, pairedScores } from './pairedScores.ts';
export { type TimeCourse, timeCourse } from './timeCourse.ts';
export { type WindowWeights, windowWeights } from './windowWeights.ts';
