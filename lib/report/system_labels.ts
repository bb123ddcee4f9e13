const LONGEST = 34;

/**
 * What systems are called in a report: paths without the folders that all share, cut at the front where they are still
 * long. Different names stay different.
 */
export function systemLabels(names: readonly string[]): string[] {
  const parts = names.map((name) => name.split(/[\\/]/).filter((part) => part !== ''));
  const shortest = Math.min(...parts.map((own) => own.length));
  let shared = 0;
  while (shared < shortest - 1 && parts.every((own) => own[shared] === parts[0]?.[shared])) shared++;
  const labels = parts.map((own) => {
    const label = own.slice(shared).join('/');
    return label.length > LONGEST ? `…${label.slice(1 - LONGEST)}` : label;
  });
  const isTwice = (label: string) => labels.indexOf(label) !== labels.lastIndexOf(label);
  return labels.map((label, i) => (isTwice(label) ? `${i + 1} ${label}` : label));
}
