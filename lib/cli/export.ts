import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { writeFileWhole } from '../data/files.ts';
import { CircumplexError } from '../errors.ts';
import { readCheckpoint } from '../models/checkpoint.ts';
import { type Io, printResult, standardIo } from './io.ts';
import { JSON_OPTION, option } from './options.ts';

interface ExportFlags {
  out: string;
  networkOnly?: boolean;
  json?: boolean;
}

/** `circumplex export` */
export function exportCommand(io: Io = standardIo): Command {
  return new Command('export')
    .summary('write a trained model as an ONNX file')
    .description(
      'Writes a trained model as an ONNX file: raw features in, [batch, time, feature] a modality, predictions out; ' +
        'normaliser, attention and fusion included.',
    )
    .argument('<CHECKPOINT>', '.safetensors file')
    .addOption(option('--out <file>', 'the .onnx file to write').makeOptionMandatory())
    .addOption(
      option('--network-only', 'leave out what comes before and after the network: statistics, delay, post-processing'),
    )
    .addOption(JSON_OPTION())
    .action((path: string, flags: ExportFlags) => exportTo(io, path, flags));
}

async function exportTo(io: Io, path: string, { out, networkOnly = false, json }: ExportFlags): Promise<void> {
  if (existsSync(out)) throw new CircumplexError('ERR_FILE', `${out} is there already: choose another --out`);
  // Loaded on use, so that the other commands start as fast as without it.
  const { exportOnnx } = await import('../bridges/onnx.ts');
  const checkpoint = await readCheckpoint(path);
  const bytes = exportOnnx(checkpoint, { networkOnly });
  await writeFileWhole(out, bytes);
  const { targets, rate, model } = checkpoint;
  printResult(io, json, { out, targets, rate, model, bytes: bytes.length }, `${out}: ${bytes.length} bytes`);
}
