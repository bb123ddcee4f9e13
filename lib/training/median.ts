/**
 * The replica in the middle by selection score, neither a lucky nor an unlucky one; of two in the middle, the lower.
 *
 * @param scores `run.selectionScore` of each replica; null, without a selection, counts as 0
 */
export function medianReplica(scores: readonly (number | null)[]): number {
  const order = scores.map((score, replica) => ({ score: score ?? 0, replica })).sort((a, b) => a.score - b.score);
  return order[(order.length - 1) >> 1]?.replica ?? 0;
}
