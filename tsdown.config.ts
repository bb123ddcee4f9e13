import { readFileSync } from 'node:fs';
import { defineConfig, type UserConfig } from 'tsdown';
import { loadOnCall } from './scripts/load-on-call.ts';

/** Files that nothing needs before it calls for them, by the chunk that they come in. */
const ON_CALL = {
  readers:
    /data\/(arff|clock|csv|csv_parse|curve_formats|curves|diagnose_files|feature_formats|folders|foreign_tables|gold_weights|inspect_curves|inspect_features|label_clock|muse|npz|number_rows|recola|recordings|send|sessions|sewa|studyforrest\w*|submission_rows)\.ts$/,
  training:
    /(evaluation\/(kalman|ridge|svr|train_mean)|training\/(?!index|postprocessing|preset_settings|tensorboard)(\w+|experiments\/\w+|comparison\/(?!systems)\w+))\.ts$/,
  onnx: /(lib\/onnx\/\w+|faces\/face_api_graphs)\.ts$/,
  features:
    /features\/(embed|extractor|features|ffmpeg|onnx|optional|pictures|probe|sound|workers|faces\/(?!face_features|face_api_graphs|network_recipe|alignment|face\.)\w+)\.ts$/,
};

/** Of the rest all that an entry may need lies in one chunk: one file more takes longer to load than the code in it. */
const CORE =
  /(^\0@oxc|lib\/((graph|ops|models|evaluation|data|features|training)\/(?!tensorboard|worker)\w+(\/\w+)?|(?!index)\w+)\.ts$)/;

const common: UserConfig = {
  outDir: 'dist',
  platform: 'node',
  target: 'node20',
  fixedExtension: true,
  shims: true,
  sourcemap: true,
  dts: true,
  plugins: [loadOnCall(Object.values(ON_CALL))],
  inputOptions: { preserveEntrySignatures: 'allow-extension' },
  outputOptions: {
    codeSplitting: {
      groups: [...Object.entries(ON_CALL).map(([name, test]) => ({ name, test })), { name: 'core', test: CORE }],
      includeDependenciesRecursively: false,
    },
  },
};

const d3 = new URL('node_modules/d3-scale/LICENSE', import.meta.url);

/** The script of the page that `circumplex watch` serves, in one file: for browsers. */
export const page: UserConfig = {
  entry: { page: 'lib/watch/page/main.ts' },
  outDir: 'dist/watch',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  fixedExtension: false,
  minify: true,
  // What it takes from d3 may go along with its licence.
  banner: `/*! Holds parts of d3 (https://d3js.org).\n${readFileSync(d3, 'utf8')}*/`,
  dts: false,
  sourcemap: false,
};

export default defineConfig([
  { ...common, entry: 'lib/{index,bridges/*,cli/main,features/worker}.ts', format: 'esm' },
  { ...common, entry: 'lib/{index,bridges/*}.ts', format: 'cjs' },
  page,
]);
