import type { Picture } from '../pictures.ts';
import { type Box, centre, type Face, type Point } from './face.ts';

/** Turns, scales and shifts: (x, y) goes to (a x - b y + dx, b x + a y + dy). */
export interface Similarity {
  a: number;
  b: number;
  dx: number;
  dy: number;
}

/** What is cut out of a picture around a face: aligned by landmarks, or a square around the face's box. */
export type FaceCrop =
  | {
      /** Where the five landmarks come to lie, in pixels of the crop. */
      landmarks: readonly Point[];
    }
  | {
      /** Room around the box, as a share of its longer side: 0.1 makes the square a fifth longer than that. */
      margin: number;
    };

/**
 * Where ArcFace and most networks after it expect the five landmarks in a crop of 112 x 112.
 *
 * Source: InsightFace, recognition/arcface (`arcface_dst`); published as numbers.
 */
const ARCFACE: readonly Point[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/** The usual five places in a crop of any size: ArcFace's, scaled to the shorter side, in the middle of the longer. */
export function usualLandmarks(width: number, height: number): readonly Point[] {
  const scale = Math.min(width, height) / 112;
  return ARCFACE.map(([x, y]) => [x * scale + (width - 112 * scale) / 2, y * scale + (height - 112 * scale) / 2]);
}

/**
 * The similarity that brings `from` closest to `to` in the sum of squared distances; null when all of `from` fall
 * together. With points as complex numbers p, q about their means it is q = c p, c = sum(conj(p) q) / sum(|p|^2).
 *
 * Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991; in the plane,
 * without reflection.
 */
export function similarity(from: readonly Point[], to: readonly Point[]): Similarity | null {
  const [fromX, fromY] = mean(from);
  const [toX, toY] = mean(to);
  let [a, b, norm] = [0, 0, 0];
  from.forEach(([x, y], i) => {
    const [px, py] = [x - fromX, y - fromY];
    const [qx, qy] = [(to[i] as Point)[0] - toX, (to[i] as Point)[1] - toY];
    a += px * qx + py * qy;
    b += px * qy - py * qx;
    norm += px * px + py * py;
  });
  // Below a thousandth of a pixel between landmarks, a direction means nothing.
  if (!(norm > 1e-6 * from.length)) return null;
  [a, b] = [a / norm, b / norm];
  return { a, b, dx: toX - (a * fromX - b * fromY), dy: toY - (b * fromX + a * fromY) };
}

/**
 * Cuts a face out of a picture.
 *
 * @returns red, green and blue `[height, width, 3]`; black where the picture ends
 */
export function cropFace(picture: Picture, face: Face, crop: FaceCrop, width: number, height: number): Uint8Array {
  const aligned = 'landmarks' in crop ? similarity(crop.landmarks, face.landmarks.five) : null;
  const margin = 'margin' in crop ? crop.margin : 0;
  return warp(picture, aligned ?? squareAround(face.box, margin, width, height), width, height);
}

/** From a crop's pixels to a picture's: the box and its margin fill the crop, as far as its sides allow. */
export function squareAround(box: Box, margin: number, width: number, height: number): Similarity {
  const [x, y] = centre(box);
  const a = (Math.max(box.width, box.height) * (1 + 2 * margin)) / Math.min(width, height);
  return { a, b: 0, dx: x - (a * width) / 2, dy: y - (a * height) / 2 };
}

/** As many samples a pixel, each way, at most: what is shrunk by more than this loses detail anyway. */
const MOST_SAMPLES = 8;

/**
 * A picture seen through a similarity, which leads from the result's pixels to the picture's. Bilinear; where it shrinks,
 * the mean over so many samples a pixel that none of the picture's is passed over.
 *
 * @returns red, green and blue `[height, width, 3]`; black where the picture ends
 */
export function warp(picture: Picture, { a, b, dx, dy }: Similarity, width: number, height: number): Uint8Array {
  const result = new Uint8Array(width * height * 3);
  const samples = Math.min(MOST_SAMPLES, Math.max(1, Math.ceil(Math.hypot(a, b) - 1e-6)));
  const sum = new Float64Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sum.fill(0);
      for (let j = 0; j < samples; j++) {
        const v = y + (j + 0.5) / samples;
        for (let i = 0; i < samples; i++) {
          const u = x + (i + 0.5) / samples;
          addSample(sum, picture, a * u - b * v + dx - 0.5, b * u + a * v + dy - 0.5);
        }
      }
      const at = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) result[at + c] = sum[c]! / (samples * samples) + 0.5;
    }
  }
  return result;
}

/** Adds the colour at a place among the picture's pixels, whose middles are whole numbers here. */
function addSample(sum: Float64Array, { width, height, data }: Picture, x: number, y: number): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  if (left < -1 || top < -1 || left >= width || top >= height) return;
  const [right, down] = [x - left, y - top];
  addPixel(sum, data, width, height, left, top, (1 - right) * (1 - down));
  addPixel(sum, data, width, height, left + 1, top, right * (1 - down));
  addPixel(sum, data, width, height, left, top + 1, (1 - right) * down);
  addPixel(sum, data, width, height, left + 1, top + 1, right * down);
}

function addPixel(
  sum: Float64Array,
  data: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  share: number,
): void {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const at = (y * width + x) * 3;
  sum[0]! += share * data[at]!;
  sum[1]! += share * data[at + 1]!;
  sum[2]! += share * data[at + 2]!;
}

function mean(points: readonly Point[]): Point {
  const sum = points.reduce(([x, y], [px, py]): Point => [x + px, y + py], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}
