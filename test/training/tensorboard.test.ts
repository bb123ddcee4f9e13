import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthesize } from '../../lib/data/index.ts';
import { type Model, stream } from '../../lib/models/model.ts';
import { train } from '../../lib/training/train.ts';
import { folder } from '../data/folder.ts';

const EVENTS = 'events.out.tfevents.circumplex';
const data = synthesize({ seed: 1, seconds: 4, sequences: { train: 2, selection: 1, dev: 1, test: 0 } });
const model: Model = { streams: [stream({ name: 'audio', hidden: 3 })], fusion: 'none' };
const options = { epochs: 3, replicas: 2, bypass: 0, threads: 1, tensorboard: true };

/** CRC-32C, a bit at a time. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return Number((BigInt((crc >>> 15) | (crc << 17)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a TFRecord file, both check sums right. */
function records(bytes: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const body = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(body));
    list.push(body);
    at += 16 + length;
  }
  return list;
}

type Field = number | Buffer;

/** The fields of a protocol buffer message, as [number, value]: varints, 32 and 64 bits (as bytes), and blocks. */
function fields(message: Buffer): [number, Field][] {
  const list: [number, Field][] = [];
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = message[at++]!;
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return value;
    }
  };
  const block = (size: number) => {
    at += size;
    return message.subarray(at - size, at);
  };
  while (at < message.length) {
    const tag = varint();
    const wire = tag & 7;
    const value = wire === 0 ? varint() : block(wire === 1 ? 8 : wire === 5 ? 4 : varint());
    list.push([tag >> 3, value]);
  }
  return list;
}

interface Event {
  time: number;
  step: number;
  version?: string;
  scalars: Record<string, number>;
}

function events(path: string): Event[] {
  return records(readFileSync(path)).map((record) => {
    const parts = new Map(fields(record));
    const summary = parts.get(5) as Buffer | undefined;
    const scalars = fields(summary ?? Buffer.alloc(0)).map(([, value]) => {
      const own = new Map(fields(value as Buffer));
      return [String(own.get(1)), (own.get(2) as Buffer).readFloatLE()];
    });
    return {
      time: (parts.get(1) as Buffer).readDoubleLE(),
      step: (parts.get(2) as number | undefined) ?? 0,
      ...(parts.has(3) ? { version: String(parts.get(3)) } : {}),
      scalars: Object.fromEntries(scalars),
    };
  });
}

/** What the events of a replica must be: those of its metrics. */
function expectMetrics(directory: string): void {
  const [head, ...epochs] = events(join(directory, EVENTS));
  expect(head).toMatchObject({ version: 'brain.Event:2', step: 0, scalars: {} });
  const lines = readFileSync(join(directory, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  expect(epochs).toHaveLength(lines.length);
  lines.forEach((line, i) => {
    const { epoch, loss, learningRate, selection } = JSON.parse(line);
    const { step, scalars, time } = epochs[i]!;
    expect(step).toBe(epoch);
    expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(600);
    const scores = Object.entries(selection as Record<string, Record<string, number | null>>).flatMap(
      ([pooling, all]) => Object.entries(all).map(([target, value]) => [`selection/${pooling}/${target}`, value]),
    );
    const expected = { loss, learningRate, ...Object.fromEntries(scores.filter(([, value]) => value !== null)) };
    expect(scalars).toEqual(
      Object.fromEntries(Object.entries(expected).map(([k, v]) => [k, Math.fround(v as number)])),
    );
  });
}

describe('event files for TensorBoard', () => {
  it('hold what metrics.jsonl holds, a file a replica', async () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    const out = join(await folder(), 'run');
    await using run = await train(model, data, { ...options, out });
    await run.finish();
    for (const replica of ['', 'replicas/1']) expectMetrics(join(out, replica));
  });

  it('are cut to match the state when a run goes on, and go on with it', async () => {
    const out = join(await folder(), 'run');
    {
      await using run = await train(model, data, { ...options, out });
      await run.finish();
    }
    const before = readFileSync(join(out, EVENTS));
    for (const replica of ['', 'replicas/1']) writeFileSync(join(out, replica, EVENTS), 'half an epo', { flag: 'a' });
    await using run = await train(null, data, { out, resume: true, epochs: 5 });
    await run.finish();
    for (const replica of ['', 'replicas/1']) expectMetrics(join(out, replica));
    expect(readFileSync(join(out, EVENTS)).subarray(0, before.length)).toEqual(before);
    expect(events(join(out, EVENTS)).at(-1)!.step).toBe(5);
  });

  it('need a run directory', async () => {
    await expect(train(model, data, options)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  });
});
