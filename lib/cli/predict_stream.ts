import { createInterface } from 'node:readline';
import { brief, CircumplexError } from '../errors.ts';
import type { Checkpoint } from '../models/checkpoint.ts';
import {
  type PredictionStreamOptions,
  predictionStream,
  type StreamedPrediction,
  type StreamFrame,
} from '../models/prediction_stream.ts';
import type { Io } from './io.ts';

/**
 * Reads frames from stdin, a line of JSON each: `{"audio": [...], "video": null}`, or a bare list for a model of one
 * modality. Writes `{"time": seconds, "arousal": ..., "valence": ...}`, a line each, as soon as it is known.
 *
 * @throws ERR_DATA, ERR_SHAPE naming the line
 */
export async function predictStandardInput(
  io: Io,
  checkpoint: Checkpoint,
  options: PredictionStreamOptions,
): Promise<void> {
  using live = predictionStream<string>(checkpoint, options);
  const modalities = [...new Set(checkpoint.model.streams.flatMap((s) => s.inputs))];
  const write = ({ frame, ...prediction }: StreamedPrediction<string>) => {
    io.stdout.write(`${JSON.stringify(prediction)}\n`);
  };
  let number = 0;
  for await (const line of createInterface({ input: io.stdin ?? process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === '') continue;
    try {
      const prediction = live.push(frameOf(line, modalities));
      if (prediction) write(prediction);
    } catch (error) {
      if (!(error instanceof CircumplexError)) throw error;
      throw new CircumplexError(error.code, `stdin, line ${number}: ${error.message}`, { cause: error });
    }
  }
  for (const prediction of live.finish()) write(prediction);
}

function frameOf(line: string, modalities: readonly string[]): StreamFrame {
  const refuse = (what: string): never => {
    const expected = `{${modalities.map((name) => `"${name}": [...]`).join(', ')}}`;
    throw new CircumplexError('ERR_DATA', `${what}; a frame is ${expected}, with null for what is missing`);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    refuse('this is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) refuse('this is no frame');
  if (Array.isArray(parsed) && modalities.length > 1) refuse(`the model reads ${modalities.length} modalities`);
  const frame = Array.isArray(parsed) ? { [modalities[0] as string]: parsed } : (parsed as Record<string, unknown>);
  for (const [name, values] of Object.entries(frame)) {
    if (values === null) continue;
    if (!Array.isArray(values)) refuse(`'${name}' is no list of numbers`);
    const wrong = (values as unknown[]).find((value) => typeof value !== 'number');
    if (wrong !== undefined) refuse(`'${name}' holds ${brief(wrong)}`);
  }
  return frame as StreamFrame;
}
