import { hashDistance, PerceptualHash } from '../perceptual_hash.ts';
import type { Picture } from '../pictures.ts';
import { squareAround, warp } from './alignment.ts';
import { area, type Box, centre, type Detection, overlap } from './face.ts';

/** Whom to follow when nobody is followed: the largest face, or the one nearest to a place (shares of width and height). */
export type FaceChoice =
  | 'largest'
  | {
      /** From the left edge, 0 to 1. */
      x: number;
      /** From the upper edge, 0 to 1. */
      y: number;
    };

/** The person who is followed, at one frame. */
export interface Followed {
  /** `seen`: found in this picture; `held`: lost since a short time; `missing`: nobody is followed, or lost for longer. */
  state: 'seen' | 'held' | 'missing';
  /** The face when it is seen, else null. */
  detection: Detection | null;
  /** The same number for the same person, as far as they could be followed; null when missing. */
  track: number | null;
}

export interface FollowerOptions {
  choice: FaceChoice;
  /** How many frames a lost face is waited for. */
  hold: number;
}

interface Track {
  id: number;
  box: Box;
  look: Float32Array;
  /** Frames in which it was found. */
  seen: number;
  /** Frames since it was last found. */
  lost: number;
}

/** A track that was seen less often was perhaps no face: nothing is waited for. */
const CONFIRMED = 3;

/** Consecutive frames of the same face overlap by more than this at 10 Hz and above. */
const OVERLAP = 0.3;

/** After a gap, or where boxes overlap less: how much alike the pictures of a face must be (correlation)... */
const LIKENESS = 0.5;
/** ... how far it may have gone, in its own sizes; and by what factor its size may have changed. */
const [REACH, GROWTH] = [1, 1.6] as const;

/**
 * Follows faces from picture to picture, and one person among them: chosen once, then kept as long as seen, whoever else
 * comes up. A face is the same as before where its box overlaps; after a gap, where place, size and look agree. A cut
 * ends the tracks, but of a face that stays as it was: behind it the choice is made anew.
 */
export class FaceFollower {
  private tracks: Track[] = [];
  private followed: number | null = null;
  private next = 0;
  private readonly shots = new Shots();

  constructor(private readonly options: FollowerOptions) {}

  /** The faces of the next frame's picture. */
  step(picture: Picture, detections: readonly Detection[]): Followed {
    const isCut = this.shots.begins(picture);
    const found = this.assign(picture, detections, isCut ? sameAcrossCut : sameInShot);
    const hold = isCut ? 0 : this.options.hold;
    this.tracks = this.tracks.filter(({ seen, lost }) => lost === 0 || (seen >= CONFIRMED && lost <= hold));
    const kept = this.tracks.find(({ id }) => id === this.followed);
    const track = kept ?? this.choose(picture);
    this.followed = track?.id ?? null;
    if (!track) return { state: 'missing', detection: null, track: null };
    const detection = found.get(track) ?? null;
    return { state: detection ? 'seen' : 'held', detection, track: track.id };
  }

  /** Gives each detection to the track it continues best, or to a new one. */
  private assign(picture: Picture, detections: readonly Detection[], same: Agreement): Map<Track, Detection> {
    const looks = detections.map(({ box }) => lookOf(picture, box));
    const pairs = this.tracks.flatMap((track) =>
      detections.map((detection, i) => ({ track, i, agreement: same(track, detection.box, looks[i]!) })),
    );
    const found = new Map<Track, Detection>();
    const taken = new Set<number>();
    for (const { track, i, agreement } of pairs.sort((a, b) => b.agreement - a.agreement)) {
      if (agreement === 0 || found.has(track) || taken.has(i)) continue;
      found.set(track, detections[i]!);
      taken.add(i);
      Object.assign(track, { box: detections[i]!.box, look: looks[i]!, seen: track.seen + 1, lost: 0 });
    }
    for (const track of this.tracks) if (!found.has(track)) track.lost++;
    detections.forEach((detection, i) => {
      if (taken.has(i)) return;
      const track: Track = { id: this.next++, box: detection.box, look: looks[i]!, seen: 1, lost: 0 };
      this.tracks.push(track);
      found.set(track, detection);
    });
    return found;
  }

  private choose({ width, height }: Picture): Track | undefined {
    const { choice } = this.options;
    const merit = ({ box }: Track): number => {
      if (choice === 'largest') return area(box);
      const [x, y] = centre(box);
      return -Math.hypot(x - choice.x * width, y - choice.y * height);
    };
    const present = this.tracks.filter(({ lost }) => lost === 0);
    return present.sort((a, b) => merit(b) - merit(a))[0];
  }
}

/** 0 when they cannot be the same; else the more, the better they agree. */
type Agreement = (track: Track, box: Box, look: Float32Array) => number;

function sameAcrossCut(track: Track, box: Box, look: Float32Array): number {
  const [shared, likeness] = [overlap(track.box, box), correlation(track.look, look)];
  return shared >= CUT_OVERLAP && likeness >= CUT_LIKENESS ? shared + likeness : 0;
}

function sameInShot(track: Track, box: Box, look: Float32Array): number {
  const shared = overlap(track.box, box);
  const likeness = correlation(track.look, look);
  if (track.lost === 0 && shared >= OVERLAP) return 1 + shared + likeness;
  const [x, y] = centre(track.box);
  const [u, v] = centre(box);
  const size = Math.sqrt(area(track.box));
  const growth = Math.sqrt(area(box)) / size;
  const near = Math.hypot(x - u, y - v) <= REACH * size && growth <= GROWTH && growth >= 1 / GROWTH;
  return near && likeness >= LIKENESS ? shared + likeness : 0;
}

/** What looks like a cut may be a flash, or a close face that moves at a low rate: such a face stays what it was. */
const [CUT_OVERLAP, CUT_LIKENESS] = [0.5, 0.75] as const;

const LOOK_SIDE = 12;

/** A face in few pixels, less its mean and of unit length: the correlation of two is their product. */
function lookOf(picture: Picture, box: Box): Float32Array {
  const pixels = Float32Array.from(warp(picture, squareAround(box, 0, LOOK_SIDE, LOOK_SIDE), LOOK_SIDE, LOOK_SIDE));
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
  const norm = Math.sqrt(pixels.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return pixels.map((value) => (norm > 0 ? (value - mean) / norm : 0));
}

function correlation(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

const SHOT_SIDE = 48;

/** More than this share of the perceptual hash's bits changed... */
const CUT = 0.25;
/** ... and grey values by more than this, on average: the hash of an even picture is noise. */
const CHANGE = 8;

/** Tells where a shot begins. */
class Shots {
  private readonly hash = new PerceptualHash(SHOT_SIDE, SHOT_SIDE);
  private before: { grey: Uint8Array; bits: Uint8Array } | null = null;

  /** Whether the picture is the first one, or belongs to another shot than the one before. */
  begins(picture: Picture): boolean {
    const grey = greyThumbnail(picture);
    const bits = this.hash.of(grey);
    const { before } = this;
    this.before = { grey, bits };
    if (before === null) return true;
    const change = grey.reduce((sum, value, i) => sum + Math.abs(value - before.grey[i]!), 0) / grey.length;
    return change > CHANGE && hashDistance(bits, before.bits) > CUT;
  }
}

/** `[SHOT_SIDE, SHOT_SIDE]`, whatever the picture's own shape. */
function greyThumbnail({ width, height, data }: Picture): Uint8Array {
  const sums = new Float64Array(SHOT_SIDE * SHOT_SIDE);
  const counts = new Uint32Array(SHOT_SIDE * SHOT_SIDE);
  const stepX = Math.max(1, Math.floor(width / SHOT_SIDE / 2));
  const stepY = Math.max(1, Math.floor(height / SHOT_SIDE / 2));
  for (let y = 0; y < height; y += stepY) {
    const row = Math.floor((y * SHOT_SIDE) / height) * SHOT_SIDE;
    for (let x = 0; x < width; x += stepX) {
      const at = (y * width + x) * 3;
      const cell = row + Math.floor((x * SHOT_SIDE) / width);
      sums[cell]! += 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      counts[cell]!++;
    }
  }
  return Uint8Array.from(sums, (sum, i) => (counts[i] ? sum / counts[i]! : 0));
}
