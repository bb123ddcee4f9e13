import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { EpochReport } from './trainer.ts';

/** What an event file begins with: the version of its format. */
export function eventsHeader(now: number): Uint8Array {
  return record(event(now, 0, (writer) => writer.tag(3, WireType.LengthDelimited).string('brain.Event:2')));
}

/**
 * An epoch's scalars as one event, whose step is the epoch: loss, learning rate, and the CCCs on the selection set by
 * pooling and target, those that are defined.
 *
 * @param now milliseconds since 1970
 */
export function epochEvent(report: EpochReport, now: number): Uint8Array {
  return record(
    event(now, report.epoch, (writer) => {
      writer.tag(5, WireType.LengthDelimited).fork();
      for (const [tag, value] of scalarsOf(report)) {
        writer.tag(1, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(value);
        writer.join();
      }
      writer.join();
    }),
  );
}

function scalarsOf({ loss, cccLoss, learningRate, selection }: EpochReport): [tag: string, value: number][] {
  const scores = Object.entries(selection ?? {}).flatMap(([pooling, byTarget]) =>
    Object.entries(byTarget).map(([target, value]) => [`selection/${pooling}/${target}`, value] as const),
  );
  const all = [['loss', loss], ['cccLoss', cccLoss], ['learningRate', learningRate], ...scores] as const;
  return all.flatMap(([tag, value]) => (typeof value === 'number' ? [[tag, value]] : []));
}

/** event.proto: wall_time 1 in seconds, step 2, and what it is about. */
function event(now: number, step: number, about: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  writer
    .tag(1, WireType.Bit64)
    .double(now / 1000)
    .tag(2, WireType.Varint)
    .int64(step);
  about(writer);
  return writer.finish();
}

/** A TFRecord: length, its check sum, data, their check sum; all little endian. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, checkSum(bytes.subarray(0, 8)), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, checkSum(data), true);
  return bytes;
}

/** CRC-32C (Castagnoli), masked as TFRecords have it, lest a sum of data that hold sums be weak. */
function checkSum(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (CRC[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  const sum = ~crc;
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
