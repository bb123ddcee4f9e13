import type { Picture } from '../pictures.ts';

/** A place in a picture, in pixels from its upper left corner: the middle of the first pixel is at .5, .5. */
export type Point = readonly [x: number, y: number];

/** A rectangle in a picture, in pixels. It may reach beyond the picture's edges. */
export interface Box {
  /** Of the left edge. */
  x: number;
  /** Of the upper edge. */
  y: number;
  /** In pixels. */
  width: number;
  /** In pixels. */
  height: number;
}

/** A face that was found in a picture. */
export interface Detection {
  /** Where it is. */
  box: Box;
  /** How sure the detector is, 0 to 1. */
  score: number;
  /** Where the detector says so. */
  landmarks?: Landmarks;
}

/** A face with its landmarks. */
export interface Face extends Detection {
  landmarks: Landmarks;
}

export interface Landmarks {
  /** Middle of the eye on the left of the picture, of that on the right; tip of the nose; left and right corner of the mouth. */
  five: readonly Point[];
  /** The 68 points of the iBUG scheme, where there are so many. */
  all?: readonly Point[];
}

/** Finds faces in pictures. */
export interface FaceDetector {
  /** All faces of a picture, in no particular order. */
  detect(picture: Picture): Promise<Detection[]>;
  /** The landmarks of a face that was found without; null when there are none to be had. */
  landmarks(picture: Picture, detection: Detection): Promise<Landmarks | null>;
  /** Gives back what its networks hold. */
  dispose(): Promise<void>;
}

export function area({ width, height }: Box): number {
  return width * height;
}

export function centre({ x, y, width, height }: Box): Point {
  return [x + width / 2, y + height / 2];
}

/** Intersection over union, 0 to 1. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (area(a) + area(b) - width * height);
}

/** Whether anything of the box lies in the picture, and every number is one. */
export function isInside({ x, y, width, height }: Box, picture: Picture): boolean {
  return width > 0 && height > 0 && x < picture.width && y < picture.height && x + width > 0 && y + height > 0;
}
