import { CircumplexError } from '../errors.ts';
import { kindOf, resolveRecipe } from './kinds.ts';
import { checkRate, type Picture } from './pictures.ts';
import type { Demand, Extractor, Piece, Recipe } from './recipe.ts';

export interface ExtractorOptions {
  /** Label frames a second. Default: 25. */
  rate?: number | undefined;
  /** That networks may use. Default: 1. */
  threads?: number | undefined;
}

/** Computes the features of a recipe of whatever its demand says, from the beginning, in order. */
export interface RecipeExtractor extends Extractor<Float32Array[] | Picture> {
  /** Sound of so many samples a second, in pieces of any length, an array a channel; or a picture of each label frame. */
  readonly demand: Demand;
  dispose(): Promise<void>;
}

/**
 * Opens what computes the features of a recipe, for sound or pictures that come from elsewhere than a file.
 *
 * `push` gives the rows that are known after a piece, `[row, size]`, and throws ERR_DATA for a piece that is not what was
 * demanded; `finish` gives the last rows; `dispose` lets go of networks.
 *
 * @throws ERR_CONFIG for a recipe that does not hold; ERR_NOT_INSTALLED, ERR_FILE, ERR_DATA for networks that it needs
 */
export async function openExtractor(
  recipe: Recipe,
  { rate = 25, threads = 1 }: ExtractorOptions = {},
): Promise<RecipeExtractor> {
  checkRate(rate);
  const kind = kindOf(recipe);
  const resolved = resolveRecipe(recipe);
  const demand = kind.demand(resolved);
  const extractor = (await kind.open(resolved, { rate, threads })) as Extractor<unknown>;
  const { size, names } = extractor;
  return {
    demand,
    size,
    ...(names ? { names } : {}),
    push(piece) {
      checkPiece(piece, demand);
      return extractor.push(piece);
    },
    finish: () => extractor.finish(),
    dispose: async () => extractor.dispose?.(),
  };
}

function checkPiece(piece: Piece<'sound'> | Piece<'pictures'>, demand: Demand): void {
  const fits = demand.medium === 'sound' ? isSound(piece, demand.channels) : isPicture(piece);
  if (fits) return;
  const wanted =
    demand.medium === 'sound'
      ? `sound at ${demand.rate} Hz: a list of 1${demand.channels > 1 ? ' or 2' : ''} Float32Array of one length`
      : 'a picture: its width, its height, and 3 bytes a pixel as data';
  throw new CircumplexError('ERR_DATA', `the recipe wants ${wanted}.`);
}

function isSound(piece: unknown, channels: number): boolean {
  if (!Array.isArray(piece) || piece.length < 1 || piece.length > channels) return false;
  return piece.every((own) => own instanceof Float32Array && own.length === piece[0].length);
}

function isPicture(piece: Partial<Picture> | Float32Array[]): boolean {
  if (Array.isArray(piece)) return false;
  const { width, height, data } = piece;
  const isSide = (side: unknown) => Number.isInteger(side) && (side as number) > 0;
  return isSide(width) && isSide(height) && data?.length === (width as number) * (height as number) * 3;
}
