import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pictures } from '../../lib/features/pictures.ts';
import { probe } from '../../lib/features/probe.ts';
import { collect, halves, hasFfmpeg, record, tone } from './recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'circumplex-probe-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

describe.skipIf(!hasFfmpeg)('probe', () => {
  it('says what a recording holds', async () => {
    const path = record(at('both.mkv'), ...halves(2), ...tone(2), '-c:v', 'ffv1', '-c:a', 'pcm_s16le');
    expect(await probe(path)).toEqual({
      path,
      duration: 2,
      video: { track: 0, start: 0, width: 64, height: 48, rate: 25 },
      audio: { track: 1, start: 0, rate: 44100, channels: 1 },
    });
  });

  it('takes cover art for no pictures', async () => {
    const cover = record(at('cover.png'), ...halves(0.04), '-frames:v', '1');
    const tagged = ['-map', '0', '-map', '1', '-c:a', 'flac', '-c:v', 'copy', '-disposition:v', 'attached_pic'];
    const path = record(at('song.flac'), ...tone(0.5), '-i', cover, ...tagged);
    expect(await probe(path)).toMatchObject({ video: null, audio: { channels: 1 } });
  });

  it.each(['a b;$(touch x) %d:é\'"&.avi', '-y.avi', 'http:.avi'])('reads a file named %s', async (name) => {
    expect(await probe(record(at(name), ...halves(0.2)))).toMatchObject({ video: { width: 64 } });
  });

  it('refuses what is no recording, with what ffmpeg said', async () => {
    writeFileSync(at('notes.txt'), 'no recording at all\n'.repeat(100));
    writeFileSync(at('noise.mp4'), Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256)));
    writeFileSync(at('empty.mp4'), '');
    for (const name of ['noise.mp4', 'empty.mp4']) {
      await expect(probe(at(name))).rejects.toMatchObject({ code: 'ERR_MEDIA' });
      await expect(probe(at(name))).rejects.toThrow(/cannot be read as a recording \(ffmpeg: .*Invalid data/);
    }
    await expect(probe(at('notes.txt'))).rejects.toThrow('it is a text file');
  });

  it('refuses folders, absent files and addresses', async () => {
    mkdirSync(at('folder.mp4'));
    await expect(probe(at('folder.mp4'))).rejects.toMatchObject({ code: 'ERR_MEDIA' });
    await expect(probe(at('absent.mp4'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(probe('-i')).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(probe('https://example.org/talk.mp4')).rejects.toThrow('nothing is fetched');
  });

  it('fetches nothing that a playlist names', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const lines = [
      '#EXTM3U',
      '#EXT-X-TARGETDURATION:1',
      '#EXTINF:1,',
      `http://127.0.0.1:${port}/a.ts`,
      '#EXT-X-ENDLIST',
    ];
    writeFileSync(at('list.m3u8'), `${lines.join('\n')}\n`);
    await expect(probe(at('list.m3u8'))).rejects.toMatchObject({ code: 'ERR_MEDIA' });
    server.close();
    expect(requests).toBe(0);
  });
});

describe('without ffmpeg', () => {
  it('says how to install it', async () => {
    const { PATH } = process.env;
    writeFileSync(at('there.mp4'), 'x');
    process.env.PATH = folder;
    try {
      await expect(probe(at('there.mp4'))).rejects.toMatchObject({ code: 'ERR_NOT_INSTALLED' });
      await expect(probe(at('there.mp4'))).rejects.toThrow('apt-get install ffmpeg');
      const info = { path: at('there.mp4'), duration: 1, video: null, audio: null };
      const video = { track: 0, start: 0, width: 8, height: 8, rate: 25 };
      await expect(collect(pictures({ ...info, video }, { rate: 25 }))).rejects.toMatchObject({
        code: 'ERR_NOT_INSTALLED',
      });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
