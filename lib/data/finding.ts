/** `error`: it cannot be read, or scores are wrong as it stands. `warning`: likely to do harm. `note`: good to know. */
export type Severity = 'error' | 'warning' | 'note';

/** What a look at a data set found, in words. */
export interface Finding {
  /** How grave it is. */
  severity: Severity;
  /** A stable name of the kind of finding, such as `zero-frames`. */
  kind: string;
  /** The modality, feature, target, sequence or file. */
  where: string;
  /** What was found, in a sentence. */
  what: string;
  /** What to do about it. */
  do: string;
}

const ORDER: readonly Severity[] = ['error', 'warning', 'note'];

/** The gravest first, else in the order given. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return ORDER.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}

/** "a, b, c and 4 more" */
export function some(names: readonly (string | number)[], shown = 3): string {
  const rest = names.length - shown;
  return rest > 1 ? `${names.slice(0, shown).join(', ')} and ${rest} more` : names.join(', ');
}

/** "1 frame", "2 frames" */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}

/** Three digits, without the zeros of a notation. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
