// node scripts/check-addon.mjs FILE...: whether addons load on the oldest systems that the package promises: nothing newer
// than glibc 2.28 and the libstdc++ of GCC 8 (Debian 10, RHEL 8, Ubuntu 20.04), no library that those lack, a small file.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NEWEST = { GLIBC: [2, 28], GLIBCXX: [3, 4, 25], CXXABI: [1, 3, 11], GCC: [8] };
const LIBRARIES = /^(lib(c|m|pthread|dl|rt)\.so\.\d|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux-.*\.so\.\d)$/;
const LARGEST = 2_500_000; // bytes

/** What stands in the way, a line each; empty: nothing. */
export function problemsOf(file) {
  const problems = [];
  const { size } = statSync(file);
  if (size > LARGEST) problems.push(`${size} bytes, and ${LARGEST} are allowed`);
  const versions = new Set(readelf('--version-info', file).match(/\b(GLIBC|GLIBCXX|CXXABI|GCC)_\d[\d.]*/g) ?? []);
  if (versions.size === 0) problems.push('no symbol versions were found: is it an addon for Linux?');
  for (const version of versions) {
    const [library, number] = version.split('_');
    if (newer(number.split('.').map(Number), NEWEST[library])) {
      problems.push(
        `needs ${version}, newer than ${NEWEST[library].join('.')}: native/core/old_libraries.h says what to do`,
      );
    }
  }
  for (const [, library] of readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
    if (!LIBRARIES.test(library)) problems.push(`needs ${library}`);
  }
  return problems;
}

function readelf(option, file) {
  const { status, stdout, stderr } = spawnSync('readelf', ['--wide', option, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`readelf ${option} ${file} failed: ${stderr}`);
  return stdout;
}

function newer(found, allowed) {
  for (let i = 0; i < Math.max(found.length, allowed.length); i++) {
    const difference = (found[i] ?? 0) - (allowed[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const file of process.argv.slice(2)) {
    const problems = problemsOf(file);
    for (const problem of problems) console.error(`${file}: ${problem}`);
    if (problems.length === 0)
      console.log(`${file}: loads on glibc 2.28, ${(statSync(file).size / 1e6).toFixed(1)} MB`);
    else process.exitCode = 1;
  }
}
