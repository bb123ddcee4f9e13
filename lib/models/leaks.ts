import type { Checkpoint } from './checkpoint.ts';

/** Which parts of a checkpoint were fitted on sequences that are scored: a warning a part. */
export function leaks(checkpoint: Checkpoint, scored: readonly string[]): string[] {
  return Object.entries(checkpoint.fitted).flatMap(([part, ids]) => {
    const seen = scored.filter((id) => ids.includes(id));
    if (seen.length === 0) return [];
    const shown = seen.length > 5 ? `${seen.slice(0, 5).join(', ')} and ${seen.length - 5} more` : seen.join(', ');
    const how = part === 'epoch' ? "the model's epoch was chosen on" : `the model's ${part} was fitted on`;
    return [`${how} sequences that are scored here (${shown}): the score is optimistic`];
  });
}
