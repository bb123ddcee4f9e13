import { InvalidArgumentError, Option } from 'commander';
import type { DeviceOptions } from '../graph/device.ts';
import type { DelayGrid } from '../training/index.ts';

/** Parsers of option values; each refuses what it cannot read with a rule that commander puts behind the option. */

type Parse<T> = (text: string) => T;

export function whole(least: number, most = 2 ** 31): Parse<number> {
  return (text) => {
    const value = Number(text);
    const rule = most === 2 ** 31 ? `of at least ${least}` : `from ${least} to ${most}`;
    if (!/^[+-]?\d+$/.test(text) || value < least || value > most) refuse(`It must be a whole number ${rule}.`);
    return value;
  };
}

export function real(rule: string, fits: (value: number) => boolean): Parse<number> {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || !fits(value)) refuse(`It must be a number ${rule}.`);
    return value;
  };
}

/** 'none' is null, in a value within a list. */
export function orNull<T>(parse: Parse<T>): Parse<T | null> {
  return (text) => (text === 'none' ? null : parse(text));
}

/** Stands for null as an option's own value, which commander would turn into ''. */
export const NONE = Symbol('none');

export function orNone<T>(parse: Parse<T>): Parse<T | typeof NONE> {
  return (text) => (text === 'none' ? NONE : parse(text));
}

export function oneOf<T extends string>(...choices: readonly T[]): Parse<T> {
  return (text) => {
    if (!choices.includes(text as T)) refuse(`Allowed choices are ${choices.join(', ')}.`);
    return text as T;
  };
}

const NAME = /^[A-Za-z][A-Za-z0-9._-]*$/;

export function name(text: string): string {
  if (!NAME.test(text)) refuse(`"${text}" is no name: a letter, then letters, digits, '.', '_' or '-'.`);
  return text;
}

export function names(text: string): string[] {
  const list = text.split(',').map(name);
  const twice = list.find((entry, i) => list.indexOf(entry) < i);
  if (twice !== undefined) refuse(`"${twice}" is there twice.`);
  return list;
}

/** `name,name=source,...`: {name: source}, where a bare name is its own source. */
export function renamed(text: string): Record<string, string> {
  const pairs = text.split(',').map((entry) => {
    const [own, source = own] = entry.split('=', 2) as [string, string?];
    return [name(own), name(source as string)] as const;
  });
  names(pairs.map(([own]) => own).join(','));
  return Object.fromEntries(pairs);
}

/** The key of a value that holds for every name. */
export const ALL = '*';

/** `name=value,...`, or one value for all, or both: `13,early=none`. Returns {name: value}, the bare one under ALL. */
export function perName<T>(parse: Parse<T>, separator = ','): Parse<Record<string, T>> {
  return (text) => {
    const values: Record<string, T> = {};
    for (const part of text.split(separator)) {
      const at = part.indexOf('=');
      const key = at < 0 ? ALL : name(part.slice(0, at).trim());
      if (Object.hasOwn(values, key)) refuse(key === ALL ? 'It has two values for all.' : `"${key}" is there twice.`);
      values[key] = parse(part.slice(at + 1).trim());
    }
    return values;
  };
}

/** As {@link perName}, without a value for all. */
export function byName<T>(parse: Parse<T>, separator = ','): Parse<Record<string, T>> {
  return (text) => {
    if (text.split(separator).some((part) => !part.includes('='))) refuse('Each value needs a name: name=value.');
    return perName(parse, separator)(text);
  };
}

export function numbers(parse: Parse<number>): Parse<number[]> {
  return (text) => text.split(',').map(parse);
}

export function refuse(rule: string): never {
  throw new InvalidArgumentError(rule);
}

/** An option; `parse` reads its value. */
export function option(flags: string, text: string, parse?: (value: string) => unknown): Option {
  const made = new Option(flags, text);
  // Commander hands over the previous value as well, which the parsers have no use for.
  return parse ? made.argParser((value) => parse(value)) : made;
}

export const JSON_OPTION = () => option('--json', 'print one JSON document on stdout');

export const PARTITION = oneOf('train', 'selection', 'dev', 'test');

export interface DeviceFlags {
  device?: string;
  threads?: number;
  scratch?: string;
}

/** Where to compute. */
export function deviceOptions(): Option[] {
  return [
    option(
      '--device <device>',
      'auto, cpu, cuda or cuda:N, with less exact products cpu,bf16, cuda,tf32 or cuda,bf16; who asks for cuda gets it or an error (default: auto, CIRCUMPLEX_DEVICE)',
    ),
    option('--threads <n>', 'CPU threads (default: what affinity and the cgroup grant)', whole(1, 1024)),
    option('--scratch <dir>', 'a folder on a disk, for data that memory does not hold: they lie in a file there'),
  ];
}

export function deviceOf({ device, threads, scratch }: DeviceFlags): DeviceOptions {
  return { device, threads, scratch };
}

/** FROM:TO:STEP in seconds. */
export function delayGrid(text: string): DelayGrid {
  const [from, to, step] = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (
    text.split(':').length === 3 &&
    [from, to, step].every(Number.isFinite) &&
    (step as number) > 0 &&
    (to as number) >= (from as number)
  ) {
    return { from: from as number, to: to as number, step: step as number };
  }
  return refuse('It must be FROM:TO:STEP in seconds: 0:8:0.4.');
}
