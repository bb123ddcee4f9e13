import { describe, expect, it } from 'vitest';
import type { Box } from '../../../lib/features/faces/face.ts';
import { type FaceChoice, FaceFollower, type Followed } from '../../../lib/features/faces/follower.ts';
import type { Picture } from '../../../lib/features/index.ts';
import { paint, plain } from './pictures.ts';

/** A person: each looks different, by stripes of two colours. */
interface Person {
  x: number;
  y: number;
  size: number;
  look: number;
  /** Not found in this frame. */
  isHidden?: boolean;
}

const SCENES = [
  (u: number, v: number) => [40 + 60 * u, 90, 120 * v] as const,
  (u: number, v: number) => [200 - 150 * Math.round(v * 3), 220 * Math.round(u * 2 - v), 30] as const,
];

function scene(people: readonly Person[], setting = 0): [Picture, { box: Box; score: number }[]] {
  const picture = paint(plain(320, 240), { x: 0, y: 0, width: 320, height: 240 }, SCENES[setting]!);
  const found = people.flatMap(({ x, y, size, look, isHidden }) => {
    const box = { x: x - size / 2, y: y - size / 2, width: size, height: size };
    paint(picture, box, (u, v) => {
      const light = 128 + 127 * Math.sin(look + 9 * u * Math.cos(look * 2) + 9 * v * Math.sin(look * 2));
      return [light, 255 - light, 128 + 100 * Math.sin(look)];
    });
    return isHidden ? [] : [{ box, score: 0.9 }];
  });
  return [picture, found];
}

function follow(
  frames: readonly (readonly Person[])[],
  choice: FaceChoice = 'largest',
  hold = 5,
  setting = (_: number) => 0,
) {
  const follower = new FaceFollower({ choice, hold });
  return frames.map((people, i): Followed => follower.step(...scene(people, setting(i))));
}

const frames = <T>(count: number, of: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => of(i));
const states = (followed: readonly Followed[]) => followed.map(({ state }) => state[0]).join('');
const xs = (followed: readonly Followed[]) =>
  followed.map(({ detection }) => detection && detection.box.x + detection.box.width / 2);
const tracks = (followed: readonly Followed[]) => [...new Set(followed.map(({ track }) => track))];

describe('FaceFollower', () => {
  it('follows the largest face, and keeps to it when another grows larger', () => {
    const found = follow(
      frames(20, (i) => [
        { x: 80 + 3 * i, y: 100, size: 60, look: 1 },
        { x: 260, y: 120, size: 30 + 4 * i, look: 2 },
      ]),
    );
    expect(states(found)).toBe('s'.repeat(20));
    expect(tracks(found)).toHaveLength(1);
    expect(xs(found)).toEqual(frames(20, (i) => 80 + 3 * i));
  });

  it('follows the one nearest to a place, in whatever order the detector names them', () => {
    const left = { x: 80, y: 120, size: 40, look: 1 };
    const right = { x: 240, y: 120, size: 80, look: 2 };
    const found = follow(
      frames(10, (i) => (i % 2 ? [left, right] : [right, left])),
      { x: 0.25, y: 0.5 },
    );
    expect(xs(found)).toEqual(frames(10, () => 80));
  });

  it('waits for a face that is lost: held, and the same person when it comes back nearby', () => {
    const found = follow(frames(20, (i) => [{ x: 100 + i, y: 100, size: 60, look: 1, isHidden: i >= 8 && i < 12 }]));
    expect(states(found)).toBe(`${'s'.repeat(8)}hhhh${'s'.repeat(8)}`);
    expect(tracks(found)).toHaveLength(1);
  });

  it('gives up after the time to hold: missing, then somebody new', () => {
    const found = follow(frames(20, (i) => [{ x: 100, y: 100, size: 60, look: 1, isHidden: i >= 6 && i < 15 }]));
    expect(states(found)).toBe(`${'s'.repeat(6)}hhhhhmmmm${'s'.repeat(5)}`);
    expect(tracks(found)).toHaveLength(3);
  });

  it('does not take another for the one who is lost', () => {
    const found = follow(
      frames(14, (i) => [
        { x: 80, y: 100, size: 60, look: 1, isHidden: i >= 6 },
        { x: 250, y: 100, size: 50, look: 2.4 },
      ]),
    );
    expect(states(found)).toBe(`${'s'.repeat(6)}hhhhh${'s'.repeat(3)}`);
    expect(xs(found).slice(11)).toEqual([250, 250, 250]);
  });

  it('does not wait for what was seen once or twice', () => {
    const found = follow([
      [
        { x: 60, y: 60, size: 90, look: 3 },
        { x: 220, y: 100, size: 50, look: 1 },
      ],
      ...frames(5, () => [{ x: 220, y: 100, size: 50, look: 1 }]),
    ]);
    expect(states(found)).toBe('ssssss');
    expect(xs(found)).toEqual([60, 220, 220, 220, 220, 220]);
  });

  it('keeps two who pass one another apart', () => {
    const found = follow(
      frames(30, (i) => [
        { x: 60 + 7 * i, y: 110, size: 60, look: 1 },
        { x: 260 - 7 * i, y: 150, size: 56, look: 2.4 },
      ]),
    );
    expect(xs(found)).toEqual(frames(30, (i) => 60 + 7 * i));
  });

  it('begins anew behind a cut: nothing is held across it, and the largest is chosen again', () => {
    const people = [
      { x: 100, y: 100, size: 60, look: 1 },
      { x: 240, y: 120, size: 40, look: 2.4 },
    ];
    const others = [
      { x: 100, y: 140, size: 50, look: 4 },
      { x: 230, y: 100, size: 90, look: 5.5 },
    ];
    const cut = (i: number) => (i < 6 ? 0 : 1);
    const found = follow(
      frames(12, (i) => (i < 6 ? people : others)),
      'largest',
      5,
      cut,
    );
    expect(states(found)).toBe('s'.repeat(12));
    expect(xs(found).slice(6)).toEqual(frames(6, () => 230));
    expect(tracks(found)).toHaveLength(2);
    expect(
      states(
        follow(
          frames(12, (i) => (i < 6 ? people : [])),
          'largest',
          5,
          cut,
        ),
      ),
    ).toBe('ssssssmmmmmm');
  });

  it('is at home in pictures of one pixel and without faces', () => {
    const follower = new FaceFollower({ choice: 'largest', hold: 5 });
    for (let i = 0; i < 3; i++) {
      expect(follower.step(plain(1, 1, i), [])).toEqual({ state: 'missing', detection: null, track: null });
    }
    expect(follower.step(plain(1, 1), [{ box: { x: 0, y: 0, width: 1, height: 1 }, score: 1 }]).state).toBe('seen');
  });
});
