// Finishes the package of the CUDA build in npm/, after `napi create-npm-dirs` has laid it out and `napi artifacts` has
// put the addon in: its own description and README, the licence, and no copy of the addon in the repository's root.
// `npm run build:cuda` does it all; nothing below npm/ is kept in git. Of the other commands of @napi-rs/cli,
// `napi version` has nothing to do, since create-npm-dirs takes the version from package.json each time; and
// `napi pre-publish` runs dry alone (npm run cuda:check), as it would enter the package among optionalDependencies,
// where everybody would get it. To publish: npm publish npm/linux-x64-gnu --access public.
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'npm', 'linux-x64-gnu');
const manifest = join(folder, 'package.json');
const made = JSON.parse(readFileSync(manifest, 'utf8'));
const { name, version, main } = made;

const readme = `# ${name}

The engine of [circumplex](https://www.npmjs.com/package/circumplex) with CUDA kernels beside those for the CPU, for
Linux on x86-64 (glibc).

    npm install circumplex ${name}

Both must be of the same version. It needs an NVIDIA driver, 580 or newer, and a GPU of compute capability 7.5 or newer;
no CUDA toolkit, no cuBLAS, no cuDNN. \`npx circumplex doctor\` says what is there and what is missing.
`;

const { keywords: _, ...kept } = made;
const own = {
  ...kept,
  description: "circumplex's engine with CUDA kernels: needs the NVIDIA driver alone, 580 or newer",
};
writeFileSync(manifest, `${JSON.stringify(own, null, 2)}\n`);
writeFileSync(join(folder, 'README.md'), readme);
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
rmSync(join(root, main), { force: true });

const megabytes = (statSync(join(folder, main)).size / 1e6).toFixed(1);
console.log(`cuda:package: ${relative(root, folder)}: ${name} ${version}, ${megabytes} MB`);
