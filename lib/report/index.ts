export { type ComparisonContents, comparisonFiles, comparisonTables } from './comparison.ts';
export { type DelayReport, delayReport } from './delay_report.ts';
export * from './figures/index.ts';
export { type GoldReport, goldReport, type RatedSequence } from './gold_report.ts';
export { type Report, type ReportFigure, type ReportSection, reportHtml } from './html.ts';
export { type Condition, type OurRuns, type PaperCondition, paperConditions, paperTables } from './paper.ts';
export { reliabilityTables } from './reliability_tables.ts';
export { type ScoreReport, scoreReport } from './score_report.ts';
export {
  comparisonTable,
  conditionTable,
  describeConvention,
  type RunScores,
  type RunValues,
  runCount,
  type SystemScores,
  scoreTable,
  sequenceTable,
  shareTable,
  systemScores,
  systemTable,
  trainMeanScores,
} from './score_tables.ts';
export {
  aggregates,
  type Cell,
  type Column,
  cccColumn,
  checkTable,
  formatNumber,
  type Statistic,
  type Table,
  toCsv,
  toHtml,
  toLatex,
  toMarkdown,
  toText,
} from './tables.ts';
