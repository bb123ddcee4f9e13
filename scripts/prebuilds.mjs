// npm run prebuilds [-- x64 arm64]: the addons that lie in the package, in prebuilds/, by prebuildify; both where nothing is
// named. The one for the other processor is cross-built: apt-get install g++-aarch64-linux-gnu.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { problemsOf } from './check-addon.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const CROSS = {
  arm64: {
    CMAKE_TOOLCHAIN_FILE: join(root, 'scripts', 'aarch64-linux-gnu.cmake'),
    PREBUILD_STRIP_BIN: 'aarch64-linux-gnu-strip',
  },
};

/** Builds an addon; where it lies. */
function prebuild(arch) {
  if (arch !== process.arch && !CROSS[arch]) throw new Error(`no cross build for ${arch} is described here`);
  // prebuildify moves what it finds in build/Release: it works in a directory of its own.
  const cwd = join(root, 'build', 'prebuildify', arch);
  mkdirSync(cwd, { recursive: true });
  rmSync(join(root, 'prebuilds', `linux-${arch}`), { recursive: true, force: true });
  const options = ['--napi', '--strip', '--tag-libc', '--name', 'circumplex', '--arch', arch, '--out', root];
  const env = {
    ...process.env,
    ...(arch === process.arch ? {} : CROSS[arch]),
    PREBUILD_NODE_GYP: join(root, 'scripts', 'node-gyp-shim.cjs'),
  };
  const cli = join(root, 'node_modules', 'prebuildify', 'bin.js');
  const { status } = spawnSync(process.execPath, [cli, ...options], { cwd, env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`linux-${arch} was not built`);
  return join(root, 'prebuilds', `linux-${arch}`, 'circumplex.glibc.node');
}

const asked = process.argv.slice(2);
for (const arch of asked.length > 0 ? asked : ['x64', 'arm64']) {
  const file = prebuild(arch);
  const problems = problemsOf(file);
  if (problems.length > 0) throw new Error(`${file}\n  ${problems.join('\n  ')}`);
}
