import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { readText } from '../../data/index.ts';
import { CircumplexError } from '../../errors.ts';
import { writeCheckpoint } from '../../models/checkpoint.ts';
import { importWeights } from '../../models/import_weights.ts';
import { readSafetensors } from '../../models/safetensors.ts';
import { type Io, printResult } from '../io.ts';
import { JSON_OPTION, option } from '../options.ts';

/** `circumplex data import-weights` */
export function importCommand(io: Io): Command {
  return new Command('import-weights')
    .summary('make a checkpoint of a plain state dict')
    .description(
      'Makes a checkpoint of a .safetensors state dict (PyTorch names, gate order i f g o) and a JSON of its metadata: ' +
        'targets, rate, model, normaliser, ...; "tensors" may map their names to ours.',
    )
    .argument('<STATE>', '.safetensors file')
    .argument('<CONFIG>', '.json file: the metadata of the checkpoint format')
    .addOption(option('--out <checkpoint>', 'the checkpoint to write, a .safetensors file').makeOptionMandatory())
    .addOption(JSON_OPTION())
    .action(async (state: string, config: string, { out, json }: { out: string; json?: boolean }) => {
      if (existsSync(out)) throw new CircumplexError('ERR_FILE', `${out} is there already: choose another --out`);
      const { tensors } = await readSafetensors(state);
      const checkpoint = importWeights(tensors, await readJson(config), state);
      await writeCheckpoint(out, checkpoint);
      const { targets, rate, model } = checkpoint;
      const values = [...checkpoint.tensors.values()].reduce((sum, { length }) => sum + length, 0);
      const document = { out, targets, rate, model, tensors: checkpoint.tensors.size, values };
      printResult(io, json, document, `${out}: ${checkpoint.tensors.size} tensors, ${values} values`);
    });
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CircumplexError('ERR_CHECKPOINT', `${path} is not valid JSON (${(error as Error).message})`, {
      cause: error,
    });
  }
}
