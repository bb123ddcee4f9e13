import type { Recipe } from '../data/index.ts';
import { brief, CircumplexError } from '../errors.ts';
import type { Picture } from './pictures.ts';

export type { Recipe };

/** What an extractor is to be given. Extractors of the same demand share one decoding. */
export type Demand =
  | {
      /** Stretches of sound. */
      medium: 'sound';
      /** Samples a second. */
      rate: number;
      /** At most: a recording of one channel gives one. */
      channels: 1 | 2;
    }
  | {
      /** The picture of each label frame. */
      medium: 'pictures';
      /** The longest side at most, in pixels; null: pictures as they are. */
      size: number | null;
    };

/** A stretch of sound, one array a channel; or the picture of a label frame. */
export type Piece<M extends Demand['medium']> = M extends 'sound' ? Float32Array[] : Picture;

/** Computes features of one recording, in order: what goes in comes out as a row a label frame. */
export interface Extractor<P> {
  /** Features a row. */
  readonly size: number;
  /** Their names, in order, where they have some. */
  readonly names?: readonly string[];
  /** The rows that are known after this piece, `[row, size]`: none or many. A row of NaN: the frame is missing. */
  push(piece: P): Float32Array | Promise<Float32Array>;
  /** The last rows, after the last piece. */
  finish(): Float32Array | Promise<Float32Array>;
  /** Gives back what it holds; also called when nobody wants the rest. */
  dispose?(): void | Promise<void>;
}

/** What an extractor may know of its work. */
export interface Context {
  /** Label frames a second; frame k is at k / rate seconds. */
  rate: number;
  /** That it may use. */
  threads: number;
}

/** A kind of recipe. `R` is a recipe with every setting filled in. */
export interface Kind<R extends Recipe = Recipe, M extends Demand['medium'] = Demand['medium']> {
  /**
   * The recipe with every setting filled in, in a fixed order of keys.
   *
   * @throws ERR_CONFIG with the setting and what it should be
   */
  resolve(recipe: Recipe): R;
  demand(recipe: R): Demand & { medium: M };
  /** @throws ERR_NOT_INSTALLED, ERR_FILE for what it needs and lacks */
  open(recipe: R, context: Context): Promise<Extractor<Piece<M>>>;
}

/**
 * For a kind without settings: the recipe as it is.
 *
 * @throws ERR_CONFIG naming a setting that is there all the same
 */
export function withoutSettings(recipe: Recipe): Recipe {
  checkSettings(recipe, []);
  return { kind: recipe.kind };
}

/** @throws ERR_CONFIG naming a setting that the kind does not have, with those it has */
export function checkSettings(recipe: Recipe, known: readonly string[]): void {
  const unknown = Object.keys(recipe).find((setting) => setting !== 'kind' && !known.includes(setting));
  if (unknown === undefined) return;
  const there = known.length ? `its settings are ${known.join(', ')}` : 'it has none';
  throw recipeError(recipe, `has no setting ${brief(unknown)}; ${there}`);
}

export function recipeError({ kind }: Recipe, what: string): CircumplexError {
  return new CircumplexError('ERR_CONFIG', `a recipe of kind ${kind} ${what}.`);
}
