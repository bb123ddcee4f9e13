// npm run odd-recordings -- FOLDER...
// Every oddity of every recording in these folders, and one of two hours: prints what became of each; fails on a crash.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, parse } from 'node:path';
import { LONG, makeOdd, ODDITIES, readOdd } from './odd_recordings.ts';

const RECIPES = {
  audio: { kind: 'audio-functionals' },
  signals: { kind: 'sound-signals' },
  video: { kind: 'picture-signals' },
};

const folder = mkdtempSync(join(tmpdir(), 'circumplex-odd-'));
const megabytes = () => Math.round(process.memoryUsage.rss() / 2 ** 20);
let [files, errors, crashes] = [0, 0, 0];

async function report(name: string, path: string): Promise<void> {
  const started = performance.now();
  files++;
  try {
    const { frames, missing, warnings, error, message } = await readOdd(path, RECIPES);
    const gone = Object.entries(missing).map(([modality, count]) => `${modality} ${count}`);
    if (error) errors++;
    const what = error ? `${error}: ${message.replaceAll('\n', ' ')}` : `${frames} frames, missing: ${gone.join(', ')}`;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      [name, what.replaceAll(folder, ''), `${warnings.length} warnings`, `${seconds} s`, `${megabytes()} MB`].join(
        '\t',
      ),
    );
  } catch (error) {
    crashes++;
    console.log(`${name}\tCRASH\t${(error as Error).stack}`);
  }
}

try {
  for (const source of process.argv.slice(2).flatMap((of) => readdirSync(of).map((name) => join(of, name)))) {
    for (const name of Object.keys(ODDITIES)) {
      const path = makeOdd(source, name, join(folder, parse(source).name));
      if (path) await report(`${parse(source).name}, ${name}`, path);
    }
  }
  const long = join(folder, 'long.mkv');
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...LONG, '-c:v', 'mpeg4', '-c:a', 'aac', long]);
  await report('two hours', long);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${files} files, ${errors} refused, ${crashes} crashes`);
process.exitCode = crashes > 0 ? 1 : 0;
