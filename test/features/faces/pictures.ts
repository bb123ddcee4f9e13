import type { Picture } from '../../../lib/features/index.ts';

/** A picture of one colour: grey values, or red, green, blue. */
export function plain(width: number, height: number, colour: number | readonly number[] = 0): Picture {
  const [r, g, b] = typeof colour === 'number' ? [colour, colour, colour] : colour;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => [r, g, b][i % 3]!);
  return { time: 0, width, height, data };
}

/** A picture whose every value is drawn anew. */
export function noise(width: number, height: number, random: () => number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, () => Math.floor(random() * 256));
  return { time: 0, width, height, data };
}

/** Paints over a rectangle: `colour` of each pixel, by its place in the rectangle, 0 to 1. */
export function paint(
  picture: Picture,
  box: { x: number; y: number; width: number; height: number },
  colour: (u: number, v: number) => readonly [number, number, number],
): Picture {
  for (let y = Math.max(0, Math.round(box.y)); y < Math.min(picture.height, box.y + box.height); y++) {
    for (let x = Math.max(0, Math.round(box.x)); x < Math.min(picture.width, box.x + box.width); x++) {
      const values = colour((x + 0.5 - box.x) / box.width, (y + 0.5 - box.y) / box.height);
      picture.data.set(values, (y * picture.width + x) * 3);
    }
  }
  return picture;
}

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
