/**
 * Okabe and Ito's palette, distinguishable under the common colour blindnesses; yellow and black are left out, since a
 * figure must be readable on a white and on a dark page.
 */
export const palette = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00'] as const;

/** Gold takes the page's text colour; the prediction is the palette's strongest contrast to it. */
export const GOLD = 'currentColor';
export const PREDICTION = '#D55E00';

/** The colour of the nth category; after six they repeat. */
export function colour(index: number): string {
  return palette[index % palette.length] as string;
}
